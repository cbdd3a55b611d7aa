"""Types at a pcontrol that waits for jobs which never end, and looks at what a human would see.

usage: terminal.py PROGRAM DIRECTORY
"""

import os
import pty
import re
import select
import sys
import time

program, directory = sys.argv[1:]
os.chdir(directory)
os.environ.update(HOME=directory, TERM="xterm", COLUMNS="100", LINES="30")


def start():
    global child, terminal, seen
    seen = ""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(program, ["pcontrol", "--norc"])
    wait("Welcome to pcontrol")
    prompt()


def wait(wanted):
    """Waits until the screen shows `wanted` behind what was waited for before."""
    global seen
    end = time.monotonic() + 60
    while True:
        found = re.search(wanted, seen)
        if found:
            seen = seen[found.end():]
            return
        if time.monotonic() > end:
            sys.exit(f"never seen: {wanted!r} in {seen!r}")
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")


def prompt():
    """Waits for a prompt with nothing typed yet."""
    wait(r"pcontrol: \r\x1b\[10C")


def type_in(text):
    os.write(terminal, text.encode())


def code():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:
                pass
    sys.exit("it does not end")


def expect(wanted):
    found = code()
    if found != wanted:
        sys.exit(f"exit code {found}, not {wanted}")


def begin():
    """Waits for a job that has no host."""
    start()
    type_in("job true\r")
    wait("JobID: 1")
    prompt()
    type_in("drain\r")
    prompt()


# lines wait in their order until Ctrl-C
begin()
type_in("echo one\r")
prompt()
type_in("echo two\r")
prompt()
if re.search(r"\r\n(one|two)\r\n", seen):
    sys.exit("a line did not wait")
type_in("\x03")
wait("drain: interrupted; jobs that are not over: 1")
wait(r"one\r\n")
wait(r"two\r\n")
type_in("exit 5\r")
expect(5)
# quit does not wait
begin()
type_in("echo one\r")
prompt()
type_in("exit 6\r")
wait("lines that waited for `drain` and are not run: 1")
expect(6)
# nor does the end
begin()
type_in("\x04")
expect(0)
