"""msub: the options of the command line and of #MSUB lines, as an sbatch call."""

import os
import re
import shlex
import sys

from slurm import MoabError, run, seconds

WITH_VALUE = "AadejklMmNopqrStvW"
FLAGS = "hIKVxz"
LOGIN_ENVIRONMENT = ("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "MAIL", "TZ")
LONG = {"N": "job-name", "A": "account", "q": "partition"}
# what only Moab's own scheduling understands
IGNORED_RESOURCES = ("advres", "qos", "gres", "partition", "naccesspolicy", "signal")
FACTORS = {"k": 1 / 1024, "": 1 / 1048576, "m": 1, "g": 1024, "t": 1048576}


def read_options(words, where=""):
    """Pairs (letter, value) and the words after the options."""
    options = []
    words = list(words)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        letter = word[1]
        if word in ("--xml", "--format=xml"):
            options.append(("xml", ""))
        elif word.startswith("--"):
            continue
        elif letter in FLAGS:
            options.append((letter, ""))
        elif letter not in WITH_VALUE:
            raise MoabError(f"invalid option '{word}'{where}")
        elif len(word) > 2:
            options.append((letter, word[2:]))
        elif words:
            options.append((letter, words.pop(0)))
        else:
            raise MoabError(f"option '{word}' requires an argument{where}")
    return options, words


def read_directives(script):
    options = []
    for line in script.splitlines():
        directive = re.match(r"\s*#(?:MSUB|PBS)\s+(.*)", line)
        if directive:
            options += read_options(shlex.split(directive.group(1), comments=True), f" in: {line}")[0]
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return options


def megabytes(text):
    match = re.fullmatch(r"(\d+)\s*([kmgt]?)b?", text.lower())
    if not match:
        raise MoabError(f"invalid memory specification '{text}'")
    return max(1, int(int(match.group(1)) * FACTORS[match.group(2)]))


def node_request(value):
    """sbatch's words for nodes=N:ppn=M:FEATURE or nodes=HOST+HOST."""
    first, *rest = value.split(":")
    words = []
    if first.isdigit():
        words.append(f"--nodes={first}")
    else:
        hosts = first.split("+")
        words += [f"--nodes={len(hosts)}", f"--nodelist={','.join(hosts)}"]
    features = []
    for part in rest:
        key, _, number = part.partition("=")
        if key == "ppn":
            words.append(f"--ntasks-per-node={number}")
        else:
            features.append(part)
    if features:
        words.append(f"--constraint={'&'.join(features)}")
    return words


def resource(key, value):
    """sbatch's words for one item of -l."""
    if key == "nodes":
        return node_request(value)
    if key in ("procs", "ttc"):
        return [f"--ntasks={value}"]
    if key == "ppn":
        return [f"--ntasks-per-node={value}"]
    if key == "walltime":
        return [f"--time={minutes(value)}"]
    if key == "mem":
        return [f"--mem={megabytes(value)}"]
    if key == "pmem":
        return [f"--mem-per-cpu={megabytes(value)}"]
    if key == "feature":
        return [f"--constraint={value}"]
    if key == "depend":
        return depend(value)
    if key in IGNORED_RESOURCES:
        return []
    raise MoabError(f"invalid resource '{key}'")


def minutes(walltime):
    try:
        return max(1, -(-seconds(walltime) // 60))
    except ValueError:
        raise MoabError(f"invalid walltime '{walltime}'") from None


def depend(value):
    return [f"--dependency={value if ':' in value else 'afterany:' + value}"]


def array(value):
    """NAME[0-7]%4 as sbatch writes it."""
    match = re.fullmatch(r"[^\[\]]*\[([\d,:-]+)\](%\d+)?", value)
    if not match:
        raise MoabError(f"invalid job array '{value}'")
    return f"--array={match.group(1)}{match.group(2) or ''}"


def output_path(text):
    """HOST:/PATH with Moab's names for the job id, as sbatch writes it."""
    path = re.sub(r"^[\w.-]+:(?=/)", "", text)
    path = re.sub(r"\$[({]?(?:PBS_JOBID|MOAB_JOBID|JOBID)[)}]?", "%j", path)
    return os.path.join(path, "slurm-%j.out") if path.endswith("/") or os.path.isdir(path) else path


def sbatch_words(options):
    names = dict(options)
    words = []
    for letter, value in options:
        if letter == "l":
            for item in value.split(","):
                key, _, amount = item.strip().partition("=")
                words += resource(key, amount)
        elif letter == "W" and value.startswith("depend="):
            words += depend(value.removeprefix("depend="))
        elif letter == "t":
            words.append(array(value))
        elif letter in LONG:
            words.append(f"--{LONG[letter]}={value}")
    if "o" in names:
        words.append(f"--output={output_path(names['o'])}")
    if "e" in names and names.get("j") not in ("oe", "eo"):
        words.append(f"--error={output_path(names['e'])}")
    if "d" in names:
        if not os.path.isdir(names["d"]):
            raise MoabError(f"cannot submit job - working directory '{names['d']}' does not exist")
        words.append(f"--chdir={names['d']}")
    if "q" in names and run(["scontrol", "show", "partition", names["q"]]).returncode:
        raise MoabError(f"cannot submit job - class '{names['q']}' does not exist")
    if "h" in names:
        words.append("--hold")
    if names.get("r") == "n":
        words.append("--no-requeue")
    return words


def environment(options):
    names = dict(options)
    kept = os.environ if "V" in names else {key: os.environ[key] for key in LOGIN_ENVIRONMENT if key in os.environ}
    result = {key: value for key, value in kept.items() if not key.startswith(("SLURM_", "SBATCH_"))}
    for letter, value in options:
        if letter == "v":
            for item in value.split(","):
                key, given, text = item.partition("=")
                result[key] = text if given else os.environ.get(key, "")
    result["PBS_O_WORKDIR"] = names.get("d") or os.getcwd()
    result["PBS_JOBNAME"] = names["N"]
    return result


def main(args):
    given, rest = read_options(args)
    if rest:
        try:
            with open(rest[0], errors="surrogateescape") as file:
                script = file.read()
        except OSError:
            raise MoabError(f"cannot open job script '{rest[0]}'") from None
    else:
        script = sys.stdin.read()
    default_name = os.path.basename(rest[0]) if rest else "STDIN"
    # sbatch takes the last of two, and the command line must win
    options = [("N", default_name), *read_directives(script), *given]
    names = dict(options)
    if "I" in names:
        raise MoabError("interactive jobs are not supported by this lab")
    if not script.startswith("#!"):
        script = f"#!{names.get('S', '/bin/sh')}\n{script}"
    # with --export=NONE every srun of the job would get nothing; Debian's sbatch reads #PBS by itself
    submit = ["sbatch", "--parsable", "--ignore-pbs", "--export=ALL", *sbatch_words(options)]
    answer = run(submit, env=environment(options), input=script, errors="surrogateescape")
    if answer.returncode:
        said = [line for line in answer.stderr.splitlines() if line.strip()] or ["unknown error"]
        reason = re.sub(r"^sbatch: (error: )?(Batch job submission failed: )?", "", said[-1])
        raise MoabError(f"cannot submit job - {reason}")
    job_id = answer.stdout.strip().split(";")[0]
    print(f'<Data><job JobID="{job_id}"/></Data>' if "xml" in names else f"\n{job_id}")
    return 0
