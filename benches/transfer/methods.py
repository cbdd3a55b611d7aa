"""What is measured: programs that everybody has, and ours."""

import json
import shlex
from dataclasses import dataclass, field

from lab import CONFIG, RIDER, Masters
from shell import PATIENCE, Failed, everything, run

SITE = "lab"


@dataclass
class Job:
    """One measurement: a file set, from `source`, a directory, to below `target`."""

    files: object
    up: bool
    source: str
    target: object
    # free for the method, here and on the front end; the first is short enough for sockets
    scratch: str
    far_scratch: str
    cut: float


@dataclass
class Method:
    """`tokens`: logins at the bastion, each with a TCP connection of its own."""

    name: str
    tokens: int = 1
    lines: int = 0

    def unable(self):
        """Why it cannot be measured here; nothing if it can."""
        return ""

    def measure(self, job, counted):
        """Runs it with `counted` called if the time is up; the masters are open before."""
        masters = Masters(job.scratch, self.tokens, self.lines)
        try:
            commands = self.commands(job, masters.sockets)
            return everything(commands, job.cut, at_limit=counted)
        finally:
            masters.close()

    def commands(self, job, sockets):
        raise NotImplementedError


def options(socket):
    return f"-q -F {CONFIG} -o ControlPath={socket} {RIDER}"


def written(job, number, names, prefix=""):
    """The path of a list of names."""
    path = f"{job.scratch}/list{number}"
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{prefix}{name}\n" for name in names)
    return path


class Scp(Method):
    def commands(self, job, sockets):
        ends = [f"fe:{job.source}", job.target.path]
        if job.up:
            ends = [job.source, f"fe:{job.target.path}/"]
        return [f"scp -r {options(sockets[0])} {' '.join(ends)}"]


class ScpEach(Method):
    def commands(self, job, sockets):
        names = written(job, 0, job.files.hashes)
        ends = f"fe:{job.source}/{{}} {job.target.path}/"
        if job.up:
            ends = f"{job.source}/{{}} fe:{job.target.path}/"
        scp = f"scp {options(sockets[0])} {ends}"
        return [f"parallel --will-cite -j8 -a {names} {shlex.quote(scp)}"]


class Rsync(Method):
    def commands(self, job, sockets):
        far, near = (f"fe:{job.target.path}/", f"{job.source}/")
        ends = f"{near} {far}" if job.up else f"fe:{job.source}/ {job.target.path}/"
        lists = job.files.lists(len(sockets))
        commands = []
        for number, (socket, names) in enumerate(zip(sockets, lists)):
            part = ""
            if len(sockets) > 1:
                part = f"--files-from={written(job, number, names)} "
            ssh = shlex.quote(f"ssh {options(socket)}")
            commands.append(f"rsync -a {part}-e {ssh} {ends}")
        return commands


class Tar(Method):
    def commands(self, job, sockets):
        commands = []
        lists = job.files.lists(len(sockets))
        for number, (socket, names) in enumerate(zip(sockets, lists)):
            ssh = f"ssh {options(socket)} fe"
            pack = f"tar -C {job.source} -cf - -T"
            unpack = f"tar -C {job.target.path} -xf -"
            path = written(job, number, names)
            if job.up:
                commands.append(f"{pack} {path} | {ssh} {shlex.quote(unpack)}")
            else:
                commands.append(f"{ssh} {shlex.quote(pack + ' -')} <{path} | {unpack}")
        return commands


@dataclass
class Ours(Method):
    """`connection`: what outrigger.yaml says besides host, jump, config_file and socket; `there`:
    the far end has the program too."""

    program: str = ""
    connection: dict = field(default_factory=dict)
    there: bool = False
    far_program: str = ""

    def unable(self):
        for words in (["transfer", "push"], ["transfer", "pull"], ["connection", "start"]):
            try:
                run([self.program, *words, "--help"])
            except OSError as error:
                return f"{self.program}: {error.strerror}"
            except Failed:
                return f"{self.program} has no `{' '.join(words)}`"
        return ""

    def measure(self, job, counted):
        config = f"{job.scratch}/outrigger.yaml"
        connection = {"host": "fe", "jump": "bastion", "config_file": str(CONFIG)}
        connection |= {"socket": f"{job.scratch}/o"} | self.connection
        site = {"scratch": job.far_scratch, "connection": connection}
        site["transfer"] = {"program": self.far_program if self.there else "none"}
        with open(config, "w", encoding="ascii") as file:
            # JSON is YAML
            json.dump({"sites": {SITE: site}}, file, indent=1)
        program = f"{shlex.quote(self.program)} --config {config}"
        try:
            begun = everything([f"{program} connection start {SITE} --batch"], PATIENCE, job.scratch)
            if begun.code != 0:
                raise Failed(f"connection start: {begun.error or begun.output[-300:]}")
            words = f"{'push' if job.up else 'pull'} {SITE} {job.source} --into {job.target.path}"
            done = everything(
                [f"{program} transfer {words} --json"], job.cut, job.scratch, counted
            )
            if done.code:
                done.error = done.error.strip(" |") or done.output[-300:]
            return done
        finally:
            everything([f"{program} connection stop {SITE} --now"], PATIENCE, job.scratch)


def all_methods(program):
    def ours(name, tokens=1, there=False, **connection):
        connection = {"sessions": 8} | connection
        return Ours(name, tokens, program=program, connection=connection, there=there)

    return [
        Scp("scp -r"),
        ScpEach("scp a file, parallel -j8"),
        Rsync("rsync -a"),
        Rsync("rsync -a x4", 4),
        Tar("tar|ssh"),
        Tar("tar|ssh x4", 4),
        Tar("tar|ssh x8", 8),
        Tar("tar|ssh x4 two-level", 1, 4),
        Tar("tar|ssh x8 two-level", 1, 8),
        ours("outrigger lines 1", lines=1),
        ours("outrigger lines 4", lines=4),
        ours("outrigger lines 8", lines=8),
        ours("outrigger logins 4", 4, logins=4),
        ours("outrigger lines 8, there too", there=True, lines=8),
        ours("outrigger logins 4, there too", 4, there=True, logins=4),
    ]
