"""The lab as a benchmark uses it: its link, its masters, and what the link carries without ssh."""

import fcntl
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import threading
import time

from shell import PATIENCE, Failed, everything, processes_with, run

HERE = pathlib.Path(__file__).resolve().parent
COMMAND = HERE.parent.parent / "tests/lab/lab"
RUN = pathlib.Path("/run/outrigger-lab")
CONFIG = RUN / "ssh_config"
BASTION_IP = "10.98.0.2"
PORT = 5209
# One who rides on a master never logs in by himself when the master has no session left.
RIDER = "-o ControlMaster=no -o BatchMode=yes -o ProxyJump=none -o ProxyCommand=false"


class Lab:
    """The lab for this program alone from `open` to `close`; brought up if it was down."""

    def __init__(self):
        self.ours = False
        self.turn = None
        self.changed = False

    def open(self, say):
        self.ours = not (RUN / "up").exists()
        if self.ours:
            environment = dict(LAB_MAXSESSIONS="10", LAB_TMPFS="4g") | os.environ
            if subprocess.run([COMMAND, "up"], env=environment, check=False).returncode:
                raise Failed("the lab does not come up")
        self.turn = open(RUN / "turn", "w", encoding="ascii")
        try:
            fcntl.flock(self.turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another program uses the lab; waiting for it")
            fcntl.flock(self.turn, fcntl.LOCK_EX)

    def close(self):
        """As it was before."""
        if self.ours:
            subprocess.run([COMMAND, "down"], check=False)
        elif self.changed:
            subprocess.run([RUN / "lab", "wan"], check=False)
        if self.turn:
            self.turn.close()

    def wan(self, rtt, loss, rate):
        self.changed = True
        run([RUN / "lab", "wan", f"rtt={rtt}", f"loss={loss}", f"rate={rate}"])

    def fe(self, script, stdin=None):
        """What a shell script says on the front end; without a login, and not over the link."""
        return run([RUN / "lab", "exec", "fe", "sh", "-c", script], stdin=stdin, limit=600)


class Masters:
    """OpenSSH masters to the front end, opened at once: `tokens` of them each with a login at the
    bastion of its own, or `lines` of them through the one login of a master at the bastion."""

    def __init__(self, directory, tokens, lines):
        self.directory = directory
        self.bastion = None
        self.sockets = []
        try:
            way = ""
            if lines:
                self.bastion = f"{directory}/b"
                self._open([(self.bastion, "bastion")], "")
                inner = (
                    f"ssh -q -F {CONFIG} -S {self.bastion} {RIDER} -W %h:%p bastion"
                )
                way = "-o " + shlex.quote(f"ProxyCommand={inner}")
            self.sockets = [f"{directory}/{n}" for n in range(lines or tokens)]
            self._open([(path, "fe") for path in self.sockets], way)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _open(wanted, way):
        commands = [
            f"ssh -q -F {CONFIG} -o BatchMode=yes -o ControlPath={path} {way} -M -N -f {host}"
            for path, host in wanted
        ]
        done = everything(commands, PATIENCE)
        if done.code != 0:
            raise Failed(f"no master: {done.error}")

    def close(self):
        # those at the front end first: they go through the other one
        for path in [*self.sockets, *filter(None, [self.bastion])]:
            host = "bastion" if path == self.bastion else "fe"
            subprocess.run(
                ["ssh", "-q", "-F", CONFIG, "-S", path, "-O", "exit", host],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        end = time.monotonic() + 5
        while processes_with(self.directory) and time.monotonic() < end:
            time.sleep(0.02)


def raw_rate(connections, up, rtt, seconds, iperf):
    """Bytes a second over that many TCP connections between here and the bastion."""
    measure = iperf3 if iperf else python_rate
    return measure(connections, up, 1 + rtt // 100, seconds)


def iperf3(connections, up, settle, seconds):
    # a server for one test, which ends with it
    server = subprocess.Popen(
        [RUN / "lab", "exec", "bastion", "iperf3", "-s", "-1", "-p", str(PORT)]
        + ["--idle-timeout", "60"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    client = ["iperf3", "-c", BASTION_IP, "-p", str(PORT), "-J", "-P", str(connections)]
    client += ["-O", str(settle), "-t", str(seconds), *([] if up else ["-R"])]
    try:
        end = time.monotonic() + 20
        while True:
            said = subprocess.run(client, capture_output=True, text=True, check=False)
            answer = json.loads(said.stdout or "{}")
            if "error" not in answer and said.returncode == 0:
                return answer["end"]["sum_received"]["bits_per_second"] / 8
            if time.monotonic() > end or "refused" not in answer.get("error", ""):
                raise Failed(f"iperf3: {answer.get('error') or said.stderr.strip()}")
            time.sleep(0.1)
    finally:
        end_of(server, f"iperf3 -s -1 -p {PORT}")


def end_of(server, words):
    """The end of a server on the bastion, which has let go of the port."""
    try:
        server.wait(3)
    except subprocess.TimeoutExpired:
        for pid in processes_with(words):
            os.kill(pid, 9)
        server.wait()


# 'u': takes everything and says at the end how much came in the seconds after those to settle;
# 'd': sends until nobody takes it.
SERVER = """
import socket, sys, threading, time
settle, seconds = float(sys.argv[1]), float(sys.argv[2])
def serve(s):
    try:
        if s.recv(1) == b'u':
            begin, count = time.monotonic(), 0
            while data := s.recv(1 << 18):
                count += len(data) if settle <= time.monotonic() - begin < settle + seconds else 0
            s.sendall(str(count).encode())
        else:
            while True: s.sendall(bytes(1 << 18))
    except OSError: pass
    s.close()
listener = socket.create_server(('', int(sys.argv[3])))
threads = []
for _ in range(int(sys.argv[4])):
    threads.append(threading.Thread(target=serve, args=listener.accept()[:1]))
    threads[-1].start()
"""


def python_rate(connections, up, settle, seconds):
    words = ["python3", "-c", SERVER, *map(str, (settle, seconds, PORT, connections))]
    server = subprocess.Popen(
        [RUN / "lab", "exec", "bastion", *words],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    counts = []

    def one(stream):
        begin, count = time.monotonic(), 0
        stream.sendall(b"u" if up else b"d")
        while (passed := time.monotonic() - begin) < settle + seconds:
            if up:
                stream.sendall(bytes(1 << 18))
            else:
                size = len(stream.recv(1 << 18))
                count += size if passed >= settle else 0
        if up:
            stream.shutdown(1)
            count = int(stream.makefile().read())
        stream.close()
        counts.append(count)

    try:
        threads = [
            threading.Thread(target=one, args=(connected(),), daemon=True)
            for _ in range(connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(counts) != connections:
            raise Failed("a connection to the bastion broke")
        return sum(counts) / seconds
    finally:
        end_of(server, SERVER.strip().splitlines()[0])


def connected():
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection((BASTION_IP, PORT))
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def send_buffer():
    """Most that one TCP connection may have under way, in bytes."""
    text = pathlib.Path("/proc/sys/net/ipv4/tcp_wmem").read_text(encoding="ascii")
    return int(re.split(r"\s+", text.strip())[2])
