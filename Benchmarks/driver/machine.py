"""The machine a run was made on, so that a figure never stands without it."""
import datetime
import os
import platform
import subprocess


def describe(directory):
    rows = [
        ("processor", f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"),
        ("memory", f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / (1 << 20):.0f} GiB"),
        ("kernel", platform.release()),
        ("system", _field("/etc/os-release", "PRETTY_NAME", "=").strip('"')),
        ("disk", _output("findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", directory)),
        ("Swift", _output("swift", "--version").splitlines()[0]),
        ("Rust", _output("cargo", "--version")),
        ("load average before", " ".join(f"{load:.2f}" for load in os.getloadavg())),
        ("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
    ]
    return [(name, value) for name, value in rows if value]


def _field(path, name, separator=":"):
    with open(path) as file:
        for line in file:
            key, _, value = line.partition(separator)
            if key.strip() == name:
                return value.strip()
    return "unknown"


def _output(*command):
    try:
        return " ".join(subprocess.run(command, capture_output=True, text=True).stdout.strip().split("\n")[:1])
    except FileNotFoundError:
        return "missing"
