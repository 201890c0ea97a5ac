"""Name servers beside each other: the zone's name, a question, and a server in the foreground with a folder of its own."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

APEX = "e164.test."
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAPTR = 35


def owner(number):
    return ".".join(reversed(number)) + "." + APEX


def wire_name(name):
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def ask(port, name):
    """(rcode, answers, authority) to NAPTR with DO, or nothing."""
    query = struct.pack(">6H", 0x5A5A, 0, 1, 0, 0, 1) + wire_name(name) + struct.pack(">HH", NAPTR, 1)
    query += b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.3)
        asking.connect(("127.0.0.1", port))
        try:
            asking.send(query)
            answer = asking.recv(4096)
        except OSError:
            return None
    _, flags, _, answers, authority, _ = struct.unpack(">6H", answer[:12])
    return flags & 15, answers, authority


def free_port():
    """A port that is free for both transports. The one that UDP is given may still be held by TCP: earlier rounds left
    connections waiting."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(("127.0.0.1", udp.getsockname()[1]))
            except OSError:
                continue
            return udp.getsockname()[1]
    raise RuntimeError("no port is free for UDP and TCP alike")


class Server:
    """A server of the zone in the foreground. Subclasses write their configuration into `self.home` and give the command."""

    program = None
    ready_s = 300

    def __init__(self, name):
        self.name = name
        self.home = tempfile.mkdtemp(prefix=f"beside-{name}-")
        os.chmod(self.home, 0o755)

    @classmethod
    def is_installed(cls):
        return cls.program is None or shutil.which(cls.program) is not None and os.path.exists(getattr(cls, "needs", "/"))

    def start(self, probe):
        """Returns when it answers the probe with a NAPTR and its signature."""
        self.port, self.api_port = free_port(), free_port()
        self.log = open(f"{self.home}/log", "w")
        command = self.command()
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, cwd=self.home)
        while not self.shows(probe):
            if self.process.poll() is not None or time.monotonic() - began > self.ready_s:
                raise SystemExit(f"{self.name} does not serve: see {self.home}/log")
            time.sleep(0.05)
        self.started_s = time.monotonic() - began

    def shows(self, name):
        answer = ask(self.port, name)
        return answer is not None and answer[1] >= 2

    def tree(self):
        found = [self.process.pid]
        for pid in found:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as children:
                    found += map(int, children.read().split())
        return found

    def stop(self):
        if hasattr(self, "process"):
            pids = self.tree() if self.process.poll() is None else []
            self.process.stdin.close()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            for pid in pids[1:]:
                try:
                    os.kill(pid, signal.SIGKILL)  # children that outlive their parent
                except OSError:
                    pass
        shutil.rmtree(self.home, ignore_errors=True)

    def write(self, name, contents):
        path = f"{self.home}/{name}"
        with open(path, "w") as out:
            out.write(contents)
        return path

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.home)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def fill_pdns(self, zone):
        """Has PowerDNS sign the zone when asked, by the configuration in `self.home`."""
        for step in (["load-zone", APEX, zone], ["secure-zone", APEX], ["set-nsec3", APEX, "1 0 0 -", "narrow"], ["rectify-zone", APEX]):
            self.run("pdnsutil", f"--config-dir={self.home}", *step)


def our_benchmark(name):
    """A benchmark of ours, built."""
    # The checks build everything by one profile; a measurement has the release's own.
    profile = os.environ.get("CALLBOOK_TEST_BUILD")
    chosen = ["--config", profile] if profile else []
    command = ["cargo", *chosen, "bench", "--bench", name, "--no-run", "--message-format", "json"]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    found = [m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == name]
    return found[-1]
