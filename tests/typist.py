"""Runs a program at a pseudo terminal and answers its prompts as a human with a token card would.

usage: typist.py PROMPT ANSWER... -- PROGRAM ARGUMENT...

Each time the screen shows PROMPT, the output of the next command ANSWER (one string, run by sh; the
last one again and again) is typed. Prints all that was on the screen, closes the terminal as soon
as the program has ended, and exits with its code.
"""

import os
import pty
import select
import subprocess
import sys
import time

split = sys.argv.index("--")
prompt, *answers = sys.argv[1:split]
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[split + 1], sys.argv[split + 1:])

seen = b""
answered = 0
end = time.monotonic() + 120
while True:
    if time.monotonic() > end:
        sys.exit(f"the program never ended: {seen!r}")
    if select.select([terminal], [], [], 0.1)[0]:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            more = b""
        if not more:
            break
        seen += more
        if seen.count(prompt.encode()) > answered:
            command = answers[min(answered, len(answers) - 1)]
            answered += 1
            os.write(terminal, subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE).stdout)
    elif os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        break
os.close(terminal)
status = os.waitpid(child, 0)[1]
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
