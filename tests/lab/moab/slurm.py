"""Slurm's jobs in Moab's words."""

import re
import subprocess
import time
from xml.sax.saxutils import quoteattr

HELD = {"JobHeldUser": "UserHold", "JobHeldAdmin": "SystemHold", "BeginTime": "Deferred"}
NEVER_STARTS = {
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "PartitionConfig",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "ReqNodeNotAvail",
}
ENDED = {
    "COMPLETED": "Completed",
    "FAILED": "Completed",
    "OUT_OF_MEMORY": "Completed",
    "CANCELLED": "Removed",
    "TIMEOUT": "Removed",
    "DEADLINE": "Removed",
    "PREEMPTED": "Vacated",
    "NODE_FAIL": "Vacated",
    "BOOT_FAIL": "Vacated",
}
CUT_SHORT = {"CANCELLED", "TIMEOUT", "DEADLINE"}
FIELD = re.compile(r"(?:^|\s)([A-Z][A-Za-z0-9/:]*)=(.*?)(?=\s[A-Z][A-Za-z0-9/:]*=|$)")


class MoabError(Exception):
    """What a command says after `ERROR:`."""


def run(args, **how):
    return subprocess.run(args, capture_output=True, text=True, **how)


def seconds(text):
    """Seconds of [[DD:]HH:]MM:SS, of a bare number, or of Slurm's D-HH:MM:SS."""
    days, _, rest = text.strip().rpartition("-")
    parts = [int(part or 0) for part in rest.split(":")]
    while len(parts) < 4:
        parts.insert(0, 0)
    return (int(days or 0) + parts[0]) * 86400 + parts[1] * 3600 + parts[2] * 60 + parts[3]


def duration(total):
    """Moab's 00:MM:SS, H:MM:SS or D:HH:MM:SS."""
    sign, total = ("-", -total) if total < 0 else ("", int(total))
    minutes, secs = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}:{hours:02}:{minutes:02}:{secs:02}"
    return f"{sign}{hours if hours else '00'}:{minutes:02}:{secs:02}"


def epoch(text):
    if text in ("", "Unknown", "None", "N/A"):
        return 0
    return int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S")))


def date(when):
    return time.strftime("%a %b %e %H:%M:%S", time.localtime(when)) if when else "-"


def node_names(text):
    if text in ("", "(null)"):
        return []
    if "[" not in text:
        return text.split(",")
    return run(["scontrol", "show", "hostnames", text]).stdout.split()


def attributes(values):
    return " ".join(f"{key}={quoteattr(str(value))}" for key, value in sorted(values.items()) if value != "")


class Job:
    def __init__(self, line):
        # values may hold blanks: a field ends where the next key begins
        fields = dict(FIELD.findall(line))
        self.fields = fields
        self.id = fields["JobId"]
        # what Slurm's commands call it
        self.slurm_id = self.id
        self.slurm_state = fields["JobState"]
        self.reason = fields.get("Reason", "")
        self.name = fields.get("JobName", "-")
        self.user = fields.get("UserId", "?").split("(")[0]
        self.group = fields.get("GroupId", "?").split("(")[0]
        account = fields.get("Account", "(null)")
        self.account = "" if account == "(null)" else account
        self.queue_name = fields.get("Partition", "").split(",")[0]
        self.node_count = int(re.match(r"\d+", fields.get("NumNodes") or "1").group())
        self.procs = int(fields.get("NumCPUs") or 1)
        self.submitted = epoch(fields.get("SubmitTime", ""))
        self.started = epoch(fields.get("StartTime", ""))
        self.ended = epoch(fields.get("EndTime", ""))
        limit = fields.get("TimeLimit", "")
        self.limit = seconds(limit) if limit[:1].isdigit() else 0
        self.used = seconds(fields.get("RunTime", "0"))
        self.nodes = node_names(fields.get("NodeList", ""))
        code, _, signal = fields.get("ExitCode", "0:0").partition(":")
        self.exit_code, self.signal = int(code), int(signal or 0)

    @property
    def is_done(self):
        return self.slurm_state in ENDED

    @property
    def state(self):
        if self.is_done:
            return ENDED[self.slurm_state]
        if self.slurm_state == "PENDING":
            return HELD.get(self.reason) or ("BatchHold" if self.reason in NEVER_STARTS else "Idle")
        return {"CONFIGURING": "Starting", "SUSPENDED": "Suspended"}.get(self.slurm_state, "Running")

    @property
    def list(self):
        """The list of showq that it stands in."""
        if self.is_done:
            return "completed"
        if self.state in ("Running", "Starting", "Suspended"):
            return "active"
        return "eligible" if self.state == "Idle" and self.reason != "Dependency" else "blocked"

    @property
    def completion_code(self):
        if self.slurm_state in CUT_SHORT:
            return "CNCLD(271)" if self.nodes else "CNCLD"
        return str(256 + self.signal if self.signal and not self.exit_code else self.exit_code)

    @property
    def procs_per_node(self):
        return max(1, self.procs // max(1, len(self.nodes) or self.node_count))

    def field(self, key):
        return self.fields.get(key, "-")

    def xml(self, full):
        values = {
            "Account": self.account,
            "Class": self.queue_name,
            "DRMJID": self.id,
            "EEDuration": max(0, (self.started if self.nodes else int(time.time())) - self.submitted),
            "GJID": self.id,
            "Group": self.group,
            "JobID": self.id,
            "JobName": self.name,
            "PAL": "slurm",
            "ReqAWDuration": self.limit,
            "ReqNodes": self.node_count,
            "ReqProcs": self.procs,
            "StartPriority": 1,
            "StartTime": self.started if self.nodes else 0,
            "State": self.state,
            "SubmissionTime": self.submitted,
            "SuspendDuration": 0,
            "User": self.user,
        }
        if self.nodes:
            values["MasterHost"] = self.nodes[0]
            values["AWDuration"] = self.used
            values["StatPSDed"] = values["StatPSUtl"] = f"{self.used * self.procs:.6f}"
        if self.state == "Running":
            values["RsvStartTime"] = self.started
        if self.is_done:
            values["CompletionCode"] = self.completion_code
            values["CompletionTime"] = self.ended
        if full:
            return f"<job {attributes(values | self.full_attributes())}>{self.request()}</job>"
        return f"<job {attributes(values)}></job>"

    def full_attributes(self):
        values = {
            "AName": self.name,
            "CmdFile": self.field("Command"),
            "EFile": self.field("StdErr"),
            "EState": self.state,
            "Flags": "GLOBALQUEUE",
            "IWD": self.field("WorkDir"),
            "OFile": self.field("StdOut"),
            "RM": "slurm",
            "SRMJID": self.id,
            "StartCount": int(self.fields.get("Restarts") or 0) + (1 if self.nodes else 0),
            "SubmitDir": self.field("WorkDir"),
            "UMask": 0,
        }
        if self.reason and self.list in ("eligible", "blocked"):
            values["BlockReason"] = self.reason
        return values

    def request(self):
        values = {
            "NodeCount": self.node_count,
            "ReqPartition": self.queue_name,
            "ReqProcPerTask": 1,
            "TaskCount": self.procs,
        }
        if self.nodes:
            values["AllocNodeList"] = ",".join(f"{node}:{self.procs_per_node}" for node in self.nodes)
        return f"<req {attributes(values)}></req>"


def numbers(text):
    """The numbers of 3 or of 1-3,7%2."""
    for part in text.partition("%")[0].split(","):
        low, _, high = part.partition("-")
        yield from range(int(low), int(high or low) + 1)


def tasks(line):
    """The job of one line of scontrol, or each task of an array that it stands for."""
    array, task = (re.search(rf"\bArray{key}=(\S+)", line) for key in ("JobId", "TaskId"))
    if not (array and task):
        return [Job(line)]
    found = []
    for number in numbers(task.group(1)):
        one = Job(line)
        one.id = f"{array.group(1)}[{number}]"
        one.slurm_id = f"{array.group(1)}_{number}"
        found.append(one)
    return found


def jobs():
    """All jobs that Slurm remembers."""
    return scontrol([])


def job(text):
    """The job of one id, None if there is none."""
    match = re.fullmatch(r"(?:[Mm]oab\.)?(\d+)(?:\[(\d*)\])?", text)
    if not match:
        return None
    array, task = match.groups()
    found = scontrol([f"{array}_{task}" if task else array])
    if not found or "[" not in found[0].id or task:
        return found[0] if found else None
    # a whole array lives as long as one of its tasks
    one = min(found, key=lambda one: one.is_done)
    one.id = one.slurm_id = array
    return one


def scontrol(words):
    answer = run(["scontrol", "-o", "show", "job", *words])
    if answer.returncode and "Invalid job id" not in answer.stderr:
        raise MoabError(f"cannot connect to resource manager ({answer.stderr.strip().splitlines()[0]})")
    lines = [line for line in answer.stdout.splitlines() if line.startswith("JobId=")]
    return [one for line in lines for one in tasks(line)]
