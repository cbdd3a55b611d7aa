"""checkjob, showq and mdiag."""

import re
import sys
import time

from slurm import MoabError, attributes, date, duration, job, jobs, run

PURGE_TIME = 86400
HOLDS = ("UserHold", "SystemHold", "BatchHold")
LETTER = {"Completed": "C", "Removed": "R", "Vacated": "V"}


def wants_xml(args):
    return any(re.fullmatch(r"--(?:format=)?xml", word, re.IGNORECASE) for word in args)


def checkjob(args):
    ids = [word for word in args if not word.startswith("-")]
    if not ids:
        raise MoabError("no job specified")
    failed = 0
    for name in ids:
        found = job(name)
        if found is None:
            print(f"ERROR:  invalid job specified: {name}\n", file=sys.stderr)
            failed = 1
        elif wants_xml(args):
            print(f"<Data>{found.xml(full=True)}</Data>")
        else:
            print("\n".join(describe(found, verbose="-v" in args)))
    return failed


def describe(one, verbose):
    now = int(time.time())
    waited = (one.started if one.nodes else one.ended if one.is_done else now) - one.submitted
    account = f"  account:{one.account}" if one.account else ""
    yield f"job {one.id}" + (f" (RM job '{one.id}')" if verbose else "")
    yield ""
    yield f"AName: {one.name}"
    yield f"State: {'Hold' if one.state in HOLDS else one.state} "
    if one.is_done:
        yield f"Completion Code: {one.completion_code}  Time: {date(one.ended)}"
    yield f"Creds:  user:{one.user}  group:{one.group}{account}  class:{one.queue_name}"
    yield f"WallTime:   {duration(one.used)} of {duration(one.limit)}"
    yield f"SubmitTime: {date(one.submitted)}"
    yield f"  (Time Queued  Total: {duration(max(0, waited))}  Eligible: {duration(max(0, waited))})"
    yield ""
    if one.nodes:
        yield f"StartTime: {date(one.started)}"
    yield "TemplateSets:  DEFAULT"
    yield f"Total Requested Tasks: {one.procs}"
    yield ""
    yield f"Req[0]  TaskCount: {one.procs}  Partition: {'lab' if one.nodes else 'ALL'}"
    yield "Dedicated Resources Per Task: PROCS: 1"
    if one.nodes or one.node_count > 1:
        yield f"NodeCount:  {one.node_count}"
    yield ""
    if one.nodes:
        yield "Allocated Nodes:"
        yield "".join(f"[{node}:{one.procs_per_node}]" for node in one.nodes)
        yield "\n"
    yield "SystemID:   Moab"
    yield f"SystemJID:  {one.id}"
    yield ""
    yield f"IWD:            {one.field('WorkDir')}"
    yield f"SubmitDir:      {one.field('WorkDir')}"
    yield f"Executable:     /opt/moab/spool/moab.job.{one.id}"
    if verbose:
        yield f"OutputFile:     {one.field('StdOut')}"
        yield f"ErrorFile:      {one.field('StdErr')}"
        yield f"SrcRM:          internal  DstRM: slurm  DstRMJID: {one.id}"
    yield ""
    if one.nodes:
        yield f"StartCount:     {int(one.fields.get('Restarts') or 0) + 1}"
        yield "Partition List: lab,SHARED"
    joined = ",JOINSTDERRTOSTDOUT" if one.field("StdErr") == one.field("StdOut") else ""
    yield f"Flags:          GLOBALQUEUE{joined}"
    if one.state in HOLDS:
        yield f"Holds:          {one.state.removesuffix('Hold')}"
    yield "StartPriority:  1"
    yield f"PE:             {one.procs:.2f}"
    if one.state == "Running":
        span = f"{duration(one.started - now)} -> {duration(one.started + one.limit - now)}"
        yield f"Reservation '{one.id}' ({span}  Duration: {duration(one.limit)})"
    if one.list in ("eligible", "blocked") and one.reason not in ("", "None"):
        yield f"NOTE:  job cannot run  ({one.reason})"
        yield f"BLOCK MSG: {one.reason} (recorded at last scheduling iteration)"
    if one.slurm_state == "TIMEOUT":
        yield "Message[0] job exceeded its wallclock limit"
    yield ""


class Nodes:
    """How busy the cluster is."""

    def __init__(self):
        lines = run(["sinfo", "-h", "-N", "-o", "%N|%T|%C"]).stdout.splitlines()
        nodes = {name: (state, cpus.split("/")) for name, state, cpus in (line.split("|") for line in lines)}
        up = [cpus for state, cpus in nodes.values() if not re.match(r"down|drain|unk", state)]
        self.configured = len(nodes)
        self.up = len(up)
        self.active = sum(1 for allocated, *_ in up if int(allocated))
        self.procs = sum(int(total) for *_, total in up)
        self.allocated = sum(int(allocated) for allocated, *_ in up)

    def xml(self):
        values = {
            "LocalActiveNodes": self.active,
            "LocalAllocProcs": self.allocated,
            "LocalConfigNodes": self.configured,
            "LocalIdleNodes": self.up - self.active,
            "LocalIdleProcs": self.procs - self.allocated,
            "LocalUpNodes": self.up,
            "LocalUpProcs": self.procs,
            "time": int(time.time()),
        }
        remote = ("ActiveNodes", "AllocProcs", "ConfigNodes", "IdleNodes", "IdleProcs", "UpNodes", "UpProcs")
        return f"<cluster {attributes(values | {f'Remote{name}': 0 for name in remote})}/>"

    def summary(self):
        procs = 100 * self.allocated / max(1, self.procs)
        nodes = 100 * self.active / max(1, self.up)
        return (
            f"     {self.allocated:5} of {self.procs} processors in use by local jobs ({procs:.2f}%)\n"
            f"                          {self.active} of {self.up} nodes active      ({nodes:.2f}%)"
        )


def showq(args):
    flags, wanted = set(), {}
    words = list(args)
    while words:
        word = words.pop(0)
        if word == "-u" and words:
            wanted["user"] = words.pop(0)
        elif word == "-w" and words:
            key, _, value = words.pop(0).partition("=")
            wanted[key] = value
        elif word == "-p" and words:
            words.pop(0)
        elif re.fullmatch(r"-[a-z]+", word):
            flags |= set(word[1:])
    lists = {"active": [], "eligible": [], "blocked": [], "completed": []}
    for one in jobs():
        values = {"user": one.user, "group": one.group, "acct": one.account, "class": one.queue_name}
        fresh = not one.is_done or time.time() - one.ended < PURGE_TIME
        if fresh and all(values.get(key, value) == value for key, value in wanted.items()):
            lists[one.list].append(one)
    if "c" in flags:
        shown = ["completed"]
    else:
        chosen = [name for letter, name in (("r", "active"), ("i", "eligible"), ("b", "blocked")) if letter in flags]
        shown = chosen or ["active", "eligible", "blocked"]
    lists = {name: lists[name] for name in shown}
    if wants_xml(args):
        queues = "".join(queue_xml(name, found) for name, found in lists.items())
        print(f"<Data><Object>queue</Object>{Nodes().xml()}{queues}</Data>")
        return 0
    if "s" in flags:
        print("\n" + "  ".join(f"{name} jobs: {len(found)}" for name, found in lists.items()))
    else:
        for name, found in lists.items():
            print("\n".join(table(name, found)))
    total = sum(map(len, lists.values()))
    print(f"\nTotal job{'' if total == 1 else 's'}:  {total}\n")
    return 0


def queue_xml(name, found):
    purge = f' purgetime="{PURGE_TIME}"' if name == "completed" else ""
    inner = "".join(one.xml(full=False) for one in found)
    return f'<queue count="{len(found)}" option="{name}"{purge}>{inner}</queue>'


def table(name, found):
    yield f"\n{name + ' jobs':-<35}"
    if name == "completed":
        yield (
            "JOBID               S     CCODE  PAR  EFFIC  XFACTOR  Q  USERNAME    GROUP            MHOST"
            " PROCS    WALLTIME            STARTTIME\n"
        )
        for one in sorted(found, key=lambda one: one.ended):
            host, started = (one.nodes[0], one.started) if one.nodes else ("-", 0)
            yield (
                f"{one.id:18}  {LETTER[one.state]} {one.completion_code:>9}  lab {100:6.2f}  {1:7.1f}  -"
                f" {one.user[:9]:>9} {one.group[:8]:>8} {host:>16} {one.procs:5} {duration(one.used):>11}"
                f" {date(started):>20}"
            )
    elif name == "active":
        yield "JOBID              USERNAME      STATE PROCS   REMAINING            STARTTIME\n"
        for one in sorted(found, key=lambda one: one.started + one.limit):
            left = duration(max(0, one.started + one.limit - int(time.time())))
            yield f"{one.id:18} {one.user:>8} {one.state:>10} {one.procs:5} {left:>11} {date(one.started):>20}"
    else:
        yield "JOBID              USERNAME      STATE PROCS     WCLIMIT            QUEUETIME\n"
        for one in sorted(found, key=lambda one: one.submitted):
            limit, queued = duration(one.limit), date(one.submitted)
            yield f"{one.id:18} {one.user:>8} {one.state:>10} {one.procs:5} {limit:>11} {queued:>20}"
    summary = Nodes().summary() if name == "active" else ""
    yield f"\n{len(found)} {name} job{'' if len(found) == 1 else 's'}   {summary}"


def mdiag(args):
    ids = [word for word in args if not word.startswith("-")]
    found = [one for one in map(job, ids) if one] if ids else jobs()
    print(f"<Data>{''.join(one.xml(full=True) for one in found)}</Data>")
    return 0
