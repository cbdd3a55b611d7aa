"""Types at the program of a pseudo terminal and looks at what a human would see.

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
child, terminal = pty.fork()
if child == 0:
    os.execv(program, ["pantasks", "--norc"])

seen = ""


def wait(wanted):
    """Waits until the screen shows `wanted` behind what was waited for before."""
    global seen
    end = time.monotonic() + 60
    while True:
        found = re.search(wanted, seen)
        if found:
            seen = seen[found.end():]
            return found
        if time.monotonic() > end:
            sys.exit(f"never seen: {wanted!r} in {seen!r}")
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")


def prompt():
    """Waits for a prompt with nothing typed yet."""
    wait(r"pantasks: \r\x1b\[10C")


def type_in(text):
    os.write(terminal, text.encode())


wait("Welcome to pantasks")
prompt()
# a command, and the history
type_in("echo one two\r")
wait(r"\r\none two\r\n")
prompt()
type_in("\x1b[A")
wait("echo one two")
type_in("\r")
wait(r"\r\none two\r\n")
prompt()
# a block is read up to its end
type_in("task tick\r  periods -exec 0.2 -timeout 60\r  command echo tock\r")
type_in("  task.exit 0\r    queueprint stdout\r  end\rend\r")
prompt()
# completion of a command, and of a task's name
type_in("showta\t")
wait("showtask")
type_in("ti\t\r")
wait("task tick")
prompt()
# what comes in the meantime stands above the line being typed, which stays whole
type_in("run\r")
prompt()
type_in("echo half a li")
wait("tock")
wait("half a li")
wait("tock")
type_in("ne\r")
wait(r"\r\nhalf a line\r\n")
prompt()
type_in("stop\r")
prompt()
# Ctrl-C stops a script that never ends, and nothing else
type_in("while (1)\recho round\rend\r")
wait(r"\r\nround\r\n")
type_in("\x03")
wait("interrupted")
prompt()
type_in("echo still here\r")
wait(r"\r\nstill here\r\n")
prompt()
type_in("exit 7\r")
_, status = os.waitpid(child, 0)
code = os.waitstatus_to_exitcode(status)
if code != 7:
    sys.exit(f"exit code {code}")
if "echo one two" not in open(".pantasks").read():
    sys.exit("no history was written")
