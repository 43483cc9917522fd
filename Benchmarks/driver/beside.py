"""Allocating beside something else: while a snapshot is written, and beside 64 readers."""
import json
import os
import statistics
import threading
import time

from .alone import fill
from .process import Skipped
from .setting import OWNERS

WINDOW_MS = 20
BURST_GAP = 0.5
READERS = 64
READS_PER_SECOND = 10_000
SHARES = ((0.5, "p50_us"), (0.99, "p99_us"), (0.999, "p999_us"))


class DirectoryWatch:
    """Remembers when anything in a directory changed: a snapshot is a burst of such changes."""

    def __init__(self, path):
        self.path, self.changes, self._end = path, [], threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _signature(self):
        try:
            return [(e.name, e.stat().st_size) for e in sorted(os.scandir(self.path), key=lambda e: e.name)]
        except FileNotFoundError:
            return []

    def _run(self):
        last = self._signature()
        while not self._end.wait(0.005):
            now = self._signature()
            if now != last:
                self.changes.append(time.monotonic())
                last = now

    def bursts(self):
        """(begin, end) of every burst, on the monotonic clock."""
        found = []
        for change in self.changes:
            if found and change - found[-1][1] < BURST_GAP:
                found[-1][1] = change
            else:
                found.append([change - 0.005, change])
        return found

    def stop(self):
        self._end.set()
        self._thread.join()


def snapshot(setting):
    """p99 of allocate at 64 connections in the windows that touch a snapshot, against all others."""
    limit = 20 if setting.quick else 60
    parent = setting.memory or setting.disk
    print(f"snapshot: filling {setting.allocations:,} allocations, then allocating for {limit} s", flush=True)
    server, _ = fill(setting, parent)
    watch = DirectoryWatch(os.path.join(setting.data_directory(parent, fresh=False), "snapshots"))
    windows = os.path.join(setting.disk, "windows.jsonl")
    try:
        setting.allocate(server, connections=64, seconds=limit, windows=WINDOW_MS, windows_file=windows)
    finally:
        watch.stop()
        server.stop()
    bursts = watch.bursts()
    if not bursts:
        raise Skipped(f"no snapshot was written within {limit} s of allocating")
    inside, outside = {}, {}
    with open(windows) as lines:
        for line in lines:
            _sort(json.loads(line), bursts, inside, outside)
    if not inside or not outside:
        raise Skipped("no window without a snapshot to compare with")
    return {"snapshots": len(bursts), "lasting_s": statistics.median(e - b for b, e in bursts),
            "during": _quantiles(inside), "without": _quantiles(outside)}


def _sort(window, bursts, inside, outside):
    begin = window["at"] / 1e9
    end = begin + window["length"] / 1e9
    touches = any(begin <= e and end >= b for b, e in bursts)
    near = any(begin <= e + BURST_GAP and end >= b - BURST_GAP for b, e in bursts)
    if near and not touches:
        return
    target = inside if touches else outside
    for edge, count in window["buckets"]:
        target[edge] = target.get(edge, 0) + count


def _quantiles(buckets):
    total = sum(buckets.values())
    result = {}
    for share, name in SHARES:
        seen = 0
        for edge in sorted(buckets):
            seen += buckets[edge]
            if seen >= share * total:
                result[name] = edge / 1000
                break
    return result


def readers(setting):
    """A writer alone, beside 64 readers of the echo (the same hunger for CPU), beside 64 readers of Berth."""
    places = {"disk": setting.disk, "tmpfs": setting.memory}
    return {place: _readers_at(setting, parent) for place, parent in places.items() if parent}


def _readers_at(setting, parent):
    echo = setting.start_echo()
    try:
        server = setting.start_berth(parent)
        try:
            setting.populate(server)
            setting.populate(echo)
            rounds = [_readers_round(setting, server, echo) for _ in range(setting.rounds)]
        finally:
            server.stop()
    finally:
        echo.stop()
    slower = lambda other: 1 - statistics.median(r["berth"]["per_second"] / r[other]["per_second"] for r in rounds)
    return {
        "rows": {name: _middle([r[name] for r in rounds]) for name in rounds[0]},
        "slower_than_control": slower("control"),
        "slower_than_alone": slower("alone"),
    }


def _middle(results):
    return {key: statistics.median(r[key] for r in results) for key in results[0]}


def _readers_round(setting, server, echo):
    result = {}
    for name, read in (("alone", None), ("control", echo), ("berth", server)):
        length = setting.seconds + setting.warmup
        reading = read and setting.start_load(
            read, "/api/v1/ip/vm-%r", random_range=OWNERS, connections=READERS, rate=READS_PER_SECOND,
            seconds=length + 1, warmup=0)
        try:
            written = setting.allocate(server, connections=1, seconds=setting.seconds, warmup=setting.warmup + 0.2)
        finally:
            out, err = reading.communicate() if reading else ("", "")
        if reading and reading.returncode != 0:
            raise Skipped(f"the readers: {err.strip()}")
        result[name] = {key: written[key] for key in ("per_second", "p50_us", "p99_us")}
        if reading:
            read_result = json.loads(out)
            result[name] |= {"read_p50_us": read_result["p50_us"], "read_p99_us": read_result["p99_us"]}
    return result
