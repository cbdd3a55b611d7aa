"""Command lines that run at once, are timed exactly, and are ended by their ids."""

import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

# Seconds for what should take a few.
PATIENCE = 60


class Failed(Exception):
    """Something that the benchmark cannot go on with, or a method that failed."""


@dataclass
class Done:
    """The end of command lines: `code` is the first that is not 0, None if the time was up."""

    code: int | None
    seconds: float
    output: str
    error: str
    idle: float


def run(words, stdin=None, limit=PATIENCE):
    """Standard output of a command that must succeed."""
    source = {"stdin": subprocess.DEVNULL} if stdin is None else {"stdin": stdin}
    if isinstance(stdin, str):
        source = {"input": stdin}
    try:
        said = subprocess.run(
            words, capture_output=True, text=True, timeout=limit, check=False, **source
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{words[0]}: no end within {limit} s") from error
    if said.returncode:
        raise Failed(f"{words[0]}: {said.stderr.strip()[-300:]}")
    return said.stdout


def everything(commands, limit, directory=None, at_limit=None):
    """Runs the command lines at once. When the time is up it calls `at_limit` and kills them."""
    # not pipes: a master would keep them open for as long as it lives
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        cpu, begin = cpu_times(), time.monotonic()
        running, codes = [], []
        try:
            for command in commands:
                running.append(
                    subprocess.Popen(
                        ["bash", "-o", "pipefail", "-c", command],
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        cwd=directory,
                        start_new_session=True,
                    )
                )
            seconds = wait(running, begin + limit) - begin
            idle = idle_since(cpu)
            codes = [process.poll() for process in running]
            if None in codes and at_limit:
                at_limit()
        finally:
            for process in running:
                if process.poll() is None:
                    try:
                        os.killpg(process.pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                    process.wait()
        for file in (out, err):
            file.seek(0)
        bad = [code for code in codes if code != 0]
        code = None if None in codes else (bad or [0])[0]
        return Done(code, seconds, out.read(), " | ".join(err.read().split("\n"))[-300:], idle)


def wait(running, deadline):
    """When the last one ended, or the deadline."""
    poll = select.poll()
    left = set()
    for process in running:
        handle = os.pidfd_open(process.pid)
        poll.register(handle, select.POLLIN)
        left.add(handle)
    try:
        while left and (rest := deadline - time.monotonic()) > 0:
            for handle, _ in poll.poll(rest * 1000):
                poll.unregister(handle)
                left.remove(handle)
                os.close(handle)
        return time.monotonic()
    finally:
        for handle in left:
            os.close(handle)


def cpu_times():
    with open("/proc/stat", encoding="ascii") as file:
        times = [int(word) for word in file.readline().split()[1:]]
    return sum(times), times[3] + times[4]


def idle_since(before):
    """The part of all processors' time in which they had nothing to do."""
    now = cpu_times()
    return (now[1] - before[1]) / max(1, now[0] - before[0])


def idle_within(seconds):
    before = cpu_times()
    time.sleep(seconds)
    return idle_since(before)


def processes_with(words):
    """Processes, also those of the lab's machines, whose command line contains `words`."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    line = file.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if words in line:
                found.append(int(name))
    return found
