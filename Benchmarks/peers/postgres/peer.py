#!/usr/bin/env python3
"""The usual way to hand out addresses from a database: next free in one statement, FOR UPDATE SKIP LOCKED.

A temporary PostgreSQL cluster with its defaults (fsync and synchronous_commit on) but 256 MB of shared
buffers, reached by a unix socket
only, run as an unprivileged user and stopped by its pid. pgbench is the client.
Alone: peer.py [--seconds 3] [--clients 1,16,64] [--addresses 1000000]
"""
import argparse
import glob
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 55432
START_SECONDS = 30
STOP_SECONDS = 20


class Unavailable(Exception):
    """Why there is no PostgreSQL here, in a sentence."""


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        raise Unavailable("PostgreSQL is missing (apt-get install postgresql)")
    return os.path.dirname(found[-1])


def account():
    """The user to run as: postgres refuses root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable("no unprivileged user to run PostgreSQL as")


class PostgresPeer:
    def __init__(self, addresses=1_000_000, parent=None):
        self.bin = binaries()
        self.account = account()
        self.addresses = addresses
        self.process = None
        self.allocated = 0
        self.directory = tempfile.mkdtemp(prefix="berth-bench-pg-", dir=parent)
        if self.account:
            os.chown(self.directory, self.account.pw_uid, self.account.pw_gid)

    def start(self):
        data = os.path.join(self.directory, "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", "bench", "--no-instructions")
        log = open(os.path.join(self.directory, "server.log"), "wb")
        arguments = ["-D", data, "-p", str(PORT), "-k", self.directory]
        for setting in ("listen_addresses=", "shared_buffers=256MB", "max_connections=80"):
            arguments += ["-c", setting]
        self.process = subprocess.Popen(
            [os.path.join(self.bin, "postgres"), *arguments], stdout=log, stderr=log, **self._as_user())
        log.close()
        self._run("pg_isready", "-h", self.directory, "-p", str(PORT), "-t", str(START_SECONDS), retry=True)
        self._client("psql", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"addresses={self.addresses}",
                     "-f", os.path.join(HERE, "schema.sql"), "postgres")
        return self

    def allocate(self, clients, seconds):
        """One pgbench run: transactions a second, latencies, CPU of all PostgreSQL processes per transaction."""
        for old in glob.glob(os.path.join(self.directory, "latency.*")):
            os.unlink(old)
        self._client("psql", "-q", "-c", "CHECKPOINT", "postgres")
        before = self._cpu_microseconds()
        self._client(
            "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(max(1, round(seconds))),
            "-f", os.path.join(HERE, "allocate.sql"), "-l", f"--log-prefix={self.directory}/latency", "postgres")
        cpu = self._cpu_microseconds() - before
        latencies = sorted(self._latencies())
        if not latencies:
            raise Unavailable("pgbench made no transaction")
        self.allocated += len(latencies)
        self._check()
        at = lambda share: float(latencies[min(len(latencies) - 1, int(len(latencies) * share))])
        return {
            "per_second": len(latencies) / max(1, round(seconds)), "p50_us": at(0.5), "p99_us": at(0.99),
            "p999_us": at(0.999), "cpu_us": cpu / len(latencies), "unexpected": 0,
        }

    def stop(self):
        if self.process and self.process.poll() is None:
            for wish in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                os.kill(self.process.pid, wish)
                try:
                    self.process.wait(STOP_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        shutil.rmtree(self.directory, ignore_errors=True)

    def _check(self):
        """Every transaction must have taken an address of its own: an exhausted table would look fast."""
        taken = int(self._client("psql", "-At", "-c", "SELECT count(owner) FROM address", "postgres"))
        if taken != self.allocated:
            raise Unavailable(f"{self.allocated} transactions took {taken} addresses; give it more addresses")

    def _latencies(self):
        for path in glob.glob(os.path.join(self.directory, "latency.*")):
            with open(path) as lines:
                for line in lines:
                    yield int(line.split()[2])

    def _cpu_microseconds(self):
        """Own and waited-for children's time of the postmaster plus that of the children still alive."""
        pid = self.process.pid
        own = _stat(pid)
        ticks = sum(own[11:15])
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            for child in file.read().split():
                try:
                    ticks += sum(_stat(int(child))[11:13])
                except FileNotFoundError:
                    continue
        return ticks * 1_000_000 // os.sysconf("SC_CLK_TCK")

    def _client(self, program, *arguments):
        return self._run(program, "-h", self.directory, "-p", str(PORT), "-U", "bench", *arguments)

    def _run(self, program, *arguments, retry=False):
        path = os.path.join(self.bin, program)
        if not os.path.exists(path):
            raise Unavailable(f"{path} is missing")
        attempts = START_SECONDS * 20 if retry else 1
        for attempt in range(attempts):
            done = subprocess.run([path, *arguments], capture_output=True, text=True, **self._as_user())
            if done.returncode == 0:
                return done.stdout
            if retry and self.process.poll() is not None:
                break
            if retry:
                try:
                    self.process.wait(0.05)
                except subprocess.TimeoutExpired:
                    pass
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Unavailable(f"{program} ended with {done.returncode}: {last}")

    def _as_user(self):
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"}
        if not self.account:
            return {"env": environment, "cwd": self.directory}
        return {"env": environment, "cwd": self.directory, "user": self.account.pw_uid,
                "group": self.account.pw_gid, "extra_groups": []}


def _stat(pid):
    """The fields of /proc/PID/stat after the name, numbers where they are numbers."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return [int(f) if f.lstrip("-").isdigit() else 0 for f in fields]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=3)
    options.add_argument("--clients", default="1,16,64")
    options.add_argument("--addresses", type=int, default=1_000_000)
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        peer = PostgresPeer(chosen.addresses)
    except Unavailable as reason:
        return print(f"skipped: postgres: {reason}")
    try:
        peer.start()
        for clients in [int(c) for c in chosen.clients.split(",")]:
            r = peer.allocate(clients, chosen.seconds)
            print(f"{clients:3} clients: {r['per_second']:8.0f} tps, p50 {r['p50_us'] / 1000:.2f} ms, "
                  f"p99 {r['p99_us'] / 1000:.2f} ms, CPU {r['cpu_us']:.0f} us/transaction")
    except Unavailable as reason:
        print(f"skipped: postgres: {reason}")
    finally:
        peer.stop()


if __name__ == "__main__":
    main()
