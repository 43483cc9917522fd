"""What a run is made with: binaries, directories, sizes; and the instruments as functions."""
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

from .process import Process, Skipped, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED_MEMORY = "/dev/shm"
OWNERS = 10_000
NETWORK = "10.0.0.0/8"


@dataclass
class Setting:
    berth: str
    bench: str
    quick: bool
    rounds: int
    seconds: float
    warmup: float
    allocations: int
    fullness_network: str
    stand_in: bool
    rust: str = ""
    disk: str = ""
    memory: str = ""
    skipped: list = field(default_factory=list)
    next_owner: int = 1_000_000_000

    def open(self, disk_parent):
        os.makedirs(disk_parent, exist_ok=True)
        self.disk = tempfile.mkdtemp(prefix="berth-bench-", dir=disk_parent)
        if os.path.ismount(SHARED_MEMORY) and os.access(SHARED_MEMORY, os.W_OK):
            self.memory = tempfile.mkdtemp(prefix="berth-bench-", dir=SHARED_MEMORY)

    def close(self):
        for directory in (self.disk, self.memory):
            if directory:
                shutil.rmtree(directory, ignore_errors=True)

    def skip(self, part, reason):
        line = f"skipped: {part}: {reason}"
        self.skipped.append(line)
        print(line, flush=True)

    # Servers

    def data_directory(self, parent, fresh=True):
        path = os.path.join(parent, "data")
        if fresh:
            shutil.rmtree(path, ignore_errors=True)
        return path

    def berth_arguments(self, port, data, network=NETWORK):
        if self.stand_in:
            return [self.rust, "--listen", f"127.0.0.1:{port}", "--network", network, "--workers", "2"]
        return [self.berth, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", data, "-n", network]

    def start_berth(self, parent, fresh=True, network=NETWORK, path="/api/v1/health", flags=()):
        port = free_port()
        arguments = self.berth_arguments(port, self.data_directory(parent, fresh), network) + list(flags)
        return self.start("berth", arguments, port, path)

    def start_echo(self):
        port = free_port()
        return self.start("echo", [self.bench, "echo", "--port", port], port)

    def start_rust(self, workers):
        if not self.rust:
            raise Skipped("the Rust peer was not built")
        port = free_port()
        arguments = [self.rust, "--listen", f"127.0.0.1:{port}", "--network", NETWORK, "--workers", workers]
        return self.start("rust", arguments, port)

    def start(self, name, arguments, port, path="/api/v1/health"):
        if not os.access(arguments[0], os.X_OK):
            raise Skipped(f"{arguments[0]} does not exist")
        return Process(name, arguments, port, self.log(name)).wait_until(path)

    def log(self, name):
        return os.path.join(self.disk, f"{name}.log")

    # Instruments

    def load(self, server, path, **options):
        """One run of the load generator against `server`; raises when an answer was not as expected."""
        process = self.start_load(server, path, **options)
        out, err = process.communicate()
        if process.returncode != 0:
            raise Skipped(f"{server.name}: {err.strip() or 'the load generator failed'}")
        return json.loads(out)

    def start_load(self, server, path, **options):
        arguments = [self.bench, "load", "--json", "--port", server.port, "--pid", server.pid, "--path", path]
        for name, value in options.items():
            arguments += ["--" + name.replace("_", "-"), value]
        return subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def owners(self, count=20_000_000):
        """The first of `count` owner numbers that no other run uses."""
        self.next_owner += count
        return self.next_owner - count

    def allocate(self, server, **options):
        options.setdefault("first", self.owners())
        return self.load(
            server, "/api/v1/ip/allocate", method="POST", body='{"vm_id":"vm-%n"}',
            expect="200" if server.name == "echo" else "201", **options)

    def populate(self, server, count=OWNERS):
        """Owners vm-0000000000000 upwards, 16 bytes each."""
        return self.allocate(server, first=0, count=count, connections=64)

    def get(self, server, **options):
        return self.load(server, "/api/v1/ip/vm-%r", random_range=OWNERS, **options)

    def commit(self, directory, engine="sqlite", seconds=1):
        done = subprocess.run(
            [self.bench, "commit", "--json", "--dir", directory, "--engine", engine, "--seconds", str(seconds)],
            capture_output=True, text=True)
        if done.returncode != 0:
            raise Skipped(f"commit: {done.stderr.strip()}")
        return json.loads(done.stdout)
