#!/usr/bin/env python3
"""The benchmark (`make bench`): builds, measures all servers interleaved in one run, prints and records the tables.

Parts: matrix (all servers at 1, 16, 64, 256 connections), idle, restart, snapshot, readers, fullness,
cluster (three etcd, three nodes; all on this machine), fleet (1,000 simulated nodes with 10,000 VMs).
What cannot run here is left out with one line that says why. Method: docs/benchmarks.md.
"""
import argparse
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "peers", "postgres")]

from driver import alone, beside, cluster, fleet, fullness, machine, process, report  # noqa: E402
from driver.matrix import Matrix  # noqa: E402
from driver.setting import ROOT, Setting  # noqa: E402
from peer import PostgresPeer, Unavailable  # noqa: E402

PARTS = ("matrix", "idle", "restart", "snapshot", "readers", "fullness", "cluster", "fleet")
DOCUMENT = os.path.join(ROOT, "docs", "benchmarks.md")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about two minutes; records nothing unless --write")
    parser.add_argument("--only", default="", help="parts to run, separated by commas")
    parser.add_argument("--skip", default="", help="parts to leave out; also: postgres")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--allocations", type=int, help="in the full table (default 1,000,000; quick 100,000)")
    parser.add_argument("--fullness-network", default="10.0.0.0/8")
    parser.add_argument("--berth", default=os.path.join(ROOT, ".build/release/berth"))
    parser.add_argument("--disk-dir", default=os.path.join(ROOT, ".build/bench"), help="where 'disk' is")
    parser.add_argument("--stand-in", action="store_true", help="the Rust peer plays Berth: tries the driver itself")
    parser.add_argument("--no-build", action="store_true")
    parser.add_argument("--write", action="store_true", help="record the figures of this run in docs/benchmarks.md")
    parser.add_argument("--no-write", action="store_true")
    chosen = parser.parse_args()
    asked = {p for p in (chosen.only + "," + chosen.skip).split(",") if p}
    if unknown := asked - {*PARTS, "postgres"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return chosen


def build(chosen):
    if chosen.no_build:
        return
    # The same settings as `make build`, so that neither build undoes the other.
    for product in (["berth-bench"] if chosen.stand_in else ["berth", "berth-bench"]):
        command = ["swift", "build", "-c", "release", "--product", product, "--static-swift-stdlib"]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, "BERTH_STATIC": "1"}, stdout=sys.stderr).returncode:
            sys.exit(f"building {product} failed")


def build_rust(setting):
    done = subprocess.run([os.path.join(HERE, "peers/rust/build.sh")], capture_output=True, text=True)
    if done.returncode == 0:
        setting.rust = done.stdout.strip()
        return
    lines = [line for line in done.stderr.splitlines() if line.startswith("skipped: ")]
    setting.skip("rust peer", lines[-1].removeprefix("skipped: ") if lines else done.stderr[-200:])


def start_postgres(setting, wanted):
    if not wanted:
        return None
    peer = None
    try:
        peer = PostgresPeer()
        return peer.start()
    except BaseException as reason:
        if peer:
            peer.stop()
        if not isinstance(reason, Unavailable):
            raise
        setting.skip("postgres", reason)
        return None


def run_parts(setting, result, wanted, postgres):
    if "matrix" in wanted:
        result.matrix = Matrix(setting, postgres)
        result.matrix.run()
    simple = {"idle": alone.idle, "restart": alone.restart, "snapshot": beside.snapshot,
              "readers": beside.readers, "fullness": fullness.fullness,
              "cluster": cluster.cluster, "fleet": fleet.fleet}
    for name, part in simple.items():
        if name not in wanted:
            continue
        print(name, flush=True)
        try:
            setattr(result, name, part(setting))
        except process.Skipped as reason:
            setting.skip(name, reason)


def wanted_parts(chosen, setting):
    only = [p for p in chosen.only.split(",") if p]
    wanted = set(only or PARTS) - set(chosen.skip.split(","))
    if chosen.quick and "fullness" in wanted and not only:
        wanted.remove("fullness")
        setting.skip("fullness", "takes minutes, not part of --quick")
    return wanted


def main():
    chosen = arguments()
    build(chosen)
    quick = chosen.quick
    setting = Setting(
        berth=chosen.berth, bench=os.path.join(ROOT, ".build/release/berth-bench"), quick=quick,
        rounds=chosen.rounds or (2 if quick else 5), seconds=chosen.seconds or (0.7 if quick else 2),
        warmup=0.2 if quick else 0.5, allocations=chosen.allocations or (100_000 if quick else 1_000_000),
        fullness_network=chosen.fullness_network, stand_in=chosen.stand_in)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us with it ignored
    postgres = None
    try:
        setting.open(chosen.disk_dir)
        build_rust(setting)
        if setting.stand_in and not setting.rust:
            sys.exit("--stand-in needs the Rust peer")
        wanted = wanted_parts(chosen, setting)
        command = " ".join(["Benchmarks/run.py", *sys.argv[1:]])
        result = report.Report(setting, command, machine.describe(setting.disk))
        postgres = start_postgres(
            setting, "matrix" in wanted and "postgres" not in chosen.skip.split(","))
        run_parts(setting, result, wanted, postgres)
        print("\n" + result.markdown())
        if chosen.write or not (quick or chosen.no_write or chosen.only or chosen.stand_in):
            result.write(DOCUMENT)
    finally:
        # A second Ctrl-C must not leave a server behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.stop_all()
        if postgres:
            postgres.stop()
        setting.close()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
