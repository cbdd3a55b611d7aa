"""canceljob and mjobctl."""

import os
import sys

from slurm import MoabError, job, jobs, run, seconds

MODIFY = {
    "reqawduration": "TimeLimit",
    "wclimit": "TimeLimit",
    "class": "Partition",
    "jobname": "JobName",
    "account": "Account",
}
ACTIONS = {
    "-c": (["scancel"], "job '{}' cancelled"),
    "-F": (["scancel"], "job '{}' cancelled"),
    "-h": (["scontrol", "uhold"], "holds modified for job {}"),
    "-u": (["scontrol", "release"], "holds modified for job {}"),
    "-r": (["scontrol", "requeue"], "job '{}' requeued"),
    "-s": (["scontrol", "suspend"], "job '{}' suspended"),
}


def each(ids, action, said):
    """Runs Slurm's `action` on every job; 1 if it failed for one."""
    me, failed = os.environ.get("USER"), 0
    for name in ids:
        found = job(name)
        if found is None or found.is_done:
            error = f"invalid job specified ({name})\n"
        elif os.getuid() and found.user != me:
            error = f"user '{me}' is not authorized to perform this action on job '{name}'"
        else:
            answer = run([*action, found.slurm_id])
            error = answer.stderr.strip() if answer.returncode else None
        if error is None:
            print(f"\n{said.format(name)}\n")
        else:
            print(f"ERROR:  {error}", file=sys.stderr)
            failed = 1
    return failed


def split_ids(words):
    return [name for word in words for name in word.replace(",", " ").split()]


def canceljob(args):
    ids = split_ids(word for word in args if not word.startswith("-"))
    if not ids:
        raise MoabError("no job specified")
    return each(ids, *ACTIONS["-c"])


def matching(conditions):
    """Ids of the caller's unfinished jobs that meet -w KEY=VALUE."""
    me = os.environ.get("USER", "")

    def meets(candidate):
        values = {
            "user": candidate.user,
            "state": candidate.state,
            "acct": candidate.account,
            "class": candidate.queue_name,
            "jobname": candidate.name,
        }
        return all(values.get(key.lower(), value) == value for key, value in conditions)

    mine = (one for one in jobs() if not one.is_done and (not os.getuid() or one.user == me))
    return [one.id for one in mine if meets(one)]


def mjobctl(args):
    action, argument, ids, conditions = None, "", [], []
    words = list(args)
    while words:
        word = words.pop(0)
        if word in ("-m", "-N"):
            action, argument = word, words.pop(0) if words else ""
        elif word == "-w" and words:
            key, _, value = words.pop(0).partition("=")
            conditions.append((key, value))
        elif word in ACTIONS:
            action = word
            if word in ("-h", "-u") and words and words[0].lower() in ("user", "batch", "system", "all"):
                words.pop(0)
        elif word.startswith("-"):
            raise MoabError(f"invalid option '{word}'")
        else:
            ids += split_ids([word])
    if conditions or [name.upper() for name in ids] == ["ALL"]:
        ids = matching(conditions)
        if not ids:
            return 0
    if not action:
        raise MoabError("no action specified")
    if not ids:
        raise MoabError("no job specified")
    if action == "-N":
        return each(ids, ["scancel", "-s", argument.removeprefix("signal=")], "signal sent to job '{}'")
    if action == "-m":
        return modify(ids, argument)
    return each(ids, *ACTIONS[action])


def modify(ids, argument):
    key, _, value = argument.partition("=")
    name = MODIFY.get(key.lower())
    if not name:
        raise MoabError(f"cannot modify attribute '{argument}'")
    if name == "TimeLimit":
        value = str(max(1, seconds(value) // 60))
    failed = 0
    for one in ids:
        answer = run(["scontrol", "update", f"JobId={one}", f"{name}={value}"])
        if answer.returncode:
            print(f"ERROR:  {answer.stderr.strip()}", file=sys.stderr)
            failed = 1
        else:
            print(f"\nattribute '{name}' changed for job '{one}'\n")
    return failed
