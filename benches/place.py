"""Where a benchmark of runs takes place: a directory with the program in it, on this machine or on
the front end of the lab."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAB = ROOT / "tests/lab/lab"
PROGRAM = ROOT / "target/release/outrigger"
NODES, CORES = 4, 24


class Here:
    """The embedded scheduler of this machine."""

    nodes = 1
    scheduler = "scheduler: local"

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self.place = tempfile.mkdtemp()
        shutil.copy(self.program, f"{self.place}/outrigger")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.place)

    def run(self, argv, given=""):
        return subprocess.run(
            ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.place, *argv],
            input=given, stdout=subprocess.PIPE, text=True, check=True,
        ).stdout


class Cluster(Here):
    """The front end of the lab, where the program runs without a link."""

    nodes = NODES
    scheduler = "scheduler: slurm"

    def __enter__(self):
        self.was_up = pathlib.Path("/run/outrigger-lab/up").exists()
        up = subprocess.run([LAB, "up"], env={"LAB_RTT_MS": "2", **os.environ}, stdout=sys.stderr)
        if up.returncode:
            sys.exit(77)
        self.place = f"/scratch/lanluser/bench-{os.getpid()}"
        self.bare("mkdir", self.place)
        with open(self.program, "rb") as program:
            subprocess.run(
                [LAB, "exec", "fe", "sh", "-c", 'cat >"$1" && chmod 755 "$1"', "sh", f"{self.place}/outrigger"],
                stdin=program, check=True,
            )
        return self

    def __exit__(self, *_):
        self.bare("rm", "-rf", self.place)
        if not self.was_up:
            subprocess.run([LAB, "down"], stdout=sys.stderr)

    def bare(self, *argv, given=""):
        done = subprocess.run(
            [LAB, "exec", "fe", *argv], input=given, stdout=subprocess.PIPE, text=True, check=True
        )
        return done.stdout

    def run(self, argv, given=""):
        return self.bare("sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.place, *argv, given=given)


def write(place, name, text):
    place.run(["sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", name], text)


def made(program):
    """The release build, made if it is not there; another program is taken as it is."""
    if program == PROGRAM and not PROGRAM.exists():
        subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
    return program
