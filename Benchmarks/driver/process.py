"""Starting servers and stopping exactly those, by pid, however the run ends."""
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time

START_SECONDS = 30
STOP_SECONDS = 30
_running = {}


class Skipped(Exception):
    """Why a part was left out, in a sentence."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def die_with_parent():
    """The kernel kills the child when the driver is gone, even by SIGKILL."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)


class Process:
    """A server that was started here and is stopped here."""

    def __init__(self, name, arguments, port, log):
        self.name, self.arguments, self.port, self.log = name, [str(a) for a in arguments], port, log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=die_with_parent)
        self.pid = self.popen.pid
        _running[self.pid] = self

    def wait_until(self, path="/api/v1/health"):
        """Waits for the first 200 on `path`."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.popen.poll() is not None:
                _running.pop(self.pid, None)
                raise Skipped(f"{self.name} ended with status {self.popen.returncode} before it answered"
                              f"{self._last_words()}")
            answer = status(self.port, path)
            if answer == 200:
                return self
            if answer not in (None, 503):
                self.stop()
                raise Skipped(f"{self.name} answered {answer} on {path}")
            time.sleep(0.0005)
        self.stop()
        raise Skipped(f"{self.name} gave no 200 on {path} within {START_SECONDS} s{self._last_words()}")

    def stop(self, wish=signal.SIGTERM):
        _running.pop(self.pid, None)
        for each in (wish, signal.SIGKILL):
            if self.popen.poll() is not None:
                break
            os.kill(self.pid, each)
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        return self.popen.returncode

    def resident(self):
        """(all resident bytes, those not backed by a file)"""
        fields = {}
        with open(f"/proc/{self.pid}/status") as file:
            for line in file:
                if line.startswith(("VmRSS", "RssAnon")):
                    name, value = line.split(":")
                    fields[name] = int(value.split()[0]) * 1024
        return fields["VmRSS"], fields["RssAnon"]

    def settle(self, patience=180):
        """Waits until it has nothing of its own to do, such as runs of the history to merge."""
        deadline = time.monotonic() + patience
        before = self.ticks()
        while time.monotonic() < deadline:
            time.sleep(1)
            now = self.ticks()
            if now - before <= 2:
                return
            before = now

    def ticks(self):
        """Hundredths of a second of CPU so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def _last_words(self):
        with open(self.log, errors="replace") as file:
            lines = file.read().strip().splitlines()
        return f" ({lines[-1][:200]})" if lines else ""


def stop_all():
    for process in list(_running.values()):
        process.stop()


def status(port, path):
    """The status of one GET, None while nobody listens."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def first_answer_milliseconds(arguments, port, log, path="/api/v1/health"):
    """From exec to the first 200 in milliseconds; the process is ended again, with its data not used further."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
    arguments = [str(a) for a in arguments]
    begin = time.monotonic_ns()
    pid = os.posix_spawn(arguments[0], arguments, os.environ, file_actions=actions)
    try:
        os.close(out)
        while time.monotonic_ns() - begin < START_SECONDS * 1_000_000_000:
            with socket.socket() as s:
                s.settimeout(START_SECONDS)
                try:
                    s.connect(("127.0.0.1", port))
                    s.sendall(request)
                    if s.recv(64).startswith(b"HTTP/1.1 200"):
                        return (time.monotonic_ns() - begin) / 1e6
                except OSError:
                    pass
            time.sleep(0.0002)
        raise Skipped(f"{arguments[0]} gave no 200 on {path}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
