#!/usr/bin/env python3
"""Chaos on a real cluster: three members of etcd and three nodes of Berth, each in a network namespace of its own.

One cycle is one fault: something is killed, paused, cut off or full while clients allocate, read and release; then it is
undone and the cluster must come back. Clients repeat with idempotency keys until they know, and write down what they
were told. At the end the log of a node is read in its order and compared with all that was acknowledged. Beside them
one client makes and ends VMs on a fleet of simulated nodes: each must run in the end with one address of its own, and
none may have been started twice, because no node of the fleet is ever lost.

    Tests/chaos/chaos.py --binary .build/release/berth --cycles 100     (needs root, etcd, ip, nft)

It ends with 0 when nothing was violated, 1 when something was, 77 when this machine cannot do it, and says why.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checks import check_history, check_vms, judge, percentile  # noqa: E402
from clients import Clients, ask  # noqa: E402
from world import Unable, World  # noqa: E402

# What is done, to whom, and how it is undone. `who` is asked when the fault begins.
KINDS = {
    "kill node leader": ("kill", "leader"),
    "kill node follower": ("kill", "follower"),
    "kill etcd leader": ("kill", "etcd leader"),
    "kill both leaders": ("kill", "both"),
    "pause node leader": ("pause", "leader"),
    "pause node follower": ("pause", "follower"),
    "pause etcd leader": ("pause", "etcd leader"),
    "cut off node leader": ("cut", "leader"),
    "cut off node follower": ("cut", "follower"),
    "cut off etcd leader": ("cut", "etcd leader"),
    "deaf node leader": ("deaf", "leader"),
    "mute node leader": ("mute", "leader"),
    "deaf etcd leader": ("deaf", "etcd leader"),
    "mute etcd leader": ("mute", "etcd leader"),
    "leader and follower apart": ("apart", "leader"),
    "disk of node leader full": ("fill", "leader"),
    "disk of node follower full": ("fill", "follower"),
    "etcd out of space": ("nospace", "etcd leader"),
}
# While etcd has no room nobody can write: its gap says how long it was full, not how long a change of leaders takes.
NO_WRITES = ("etcd out of space",)
# A longer gap is explained by what the nodes and the members said meanwhile.
EXPLAINED_SECONDS = 3.5


def targets(world, who):
    if who == "leader":
        return [world.leader()]
    if who == "follower":
        return [random.choice([node for node in world.nodes if node is not world.leader()])]
    if who == "etcd leader":
        return [world.etcd_leader()]
    return [world.leader(), world.etcd_leader()]


def begin(world, what, members):
    """Does it; returns what was not as the documents say."""
    if what == "nospace":
        world.fill_etcd()
        return refused(world)
    for member in members:
        if what == "kill":
            member.kill()
        elif what == "pause":
            member.signal(signal.SIGSTOP)
        elif what == "cut":
            member.rules("input", "drop")
            member.rules("output", "drop")
        elif what == "deaf":
            # Hears no answer and no request of its peers; what it sends arrives.
            for other in world.members:
                if other is not member:
                    member.rules("input", f"ip saddr {other.address} drop")
        elif what == "mute":
            for other in world.members:
                if other is not member:
                    member.rules("output", f"ip daddr {other.address} drop")
        elif what == "apart":
            other = next(node for node in world.nodes if node is not member)
            member.rules("input", f"ip saddr {other.address} drop")
            member.rules("output", f"ip daddr {other.address} drop")
        elif what == "fill":
            member.fill()
    return []


def refused(world):
    """etcd is full: every node refuses writes by name and answers consistent reads."""
    found = []
    for node in world.nodes:
        status, answer, _ = ask(node, "POST", "/api/v1/pools/chaos/allocations", {"owner": "nobody"})
        if status != 503 or (answer or {}).get("code") != "storage_full":
            found.append(f"etcd is full and {node.name} answers a write with {status} {(answer or {}).get('code')}")
        if ask(node, "GET", "/api/v1/pools/chaos")[0] != 200:
            found.append(f"etcd is full and {node.name} does not answer a read")
    return found


def undo(world, what, members):
    if what == "nospace":
        return world.make_room()
    for member in members:
        if what == "kill":
            member.start()
        elif what == "pause":
            member.signal(signal.SIGCONT)
        elif what == "fill":
            member.make_room()
        else:
            member.heal()


def recover(world, clients, deadline):
    """Waits until every node is ready and answers a consistent read, and a write is acknowledged after that."""
    end = time.monotonic() + deadline
    ready = set()
    while time.monotonic() < end and len(ready) < 3:
        for node in world.nodes:
            if node.name not in ready:
                status, _, _ = ask(node, "GET", "/api/v1/pools/chaos", timeout=1)
                if status == 200 and ask(node, "GET", "/readyz", timeout=1)[0] == 200:
                    ready.add(node.name)
        time.sleep(0.05)
    since = time.monotonic()
    while time.monotonic() < end:
        if clients.last_acknowledged() > since:
            return len(ready) == 3
        time.sleep(0.02)
    return False


def cycle(world, clients, kind, hold):
    what, who = KINDS[kind]
    members = targets(world, who)
    world.mark_logs()
    began, wall = time.monotonic(), time.time()
    complaints = begin(world, what, members)
    time.sleep(hold)
    undo(world, what, members)
    healed = time.monotonic()
    is_back = recover(world, clients, 60)
    ended = time.monotonic()
    row = {
        "kind": kind, "target": [member.name for member in members], "gap": clients.longest_gap(began, ended),
        "recovery": ended - healed, "back": is_back, "began": began, "ended": ended, "complaints": complaints,
    }
    if row["gap"] > EXPLAINED_SECONDS:
        row["timeline"] = world.timeline(wall)
    row.update(clients.counts(began, ended))
    return row


def settle(world):
    """All nodes at the same batch with the same hash, and the same rows by their own export."""
    for _ in range(200):
        healths = [ask(node, "GET", "/api/v1/health")[1] or {} for node in world.nodes]
        parts = [health.get("cluster", {}) for health in healths]
        marks = {(part.get("sequence"), part.get("hash")) for part in parts}
        if len(marks) == 1 and None not in marks.copy().pop():
            exports = [ask(node, "GET", "/api/v1/export?consistency=stale", timeout=30)[1] for node in world.nodes]
            for export in exports:
                export.pop("time", None)
            return len({json.dumps(export, sort_keys=True) for export in exports}) == 1, parts, exports[0]
        time.sleep(0.1)
    return False, parts, None


def settled_vms(world):
    """Waits until every VM runs that is to, and what was ended is gone."""
    for _ in range(300):
        vms = world.listed("vms?")
        if vms and all(vm["state"] == "running" and not vm["ending"] for vm in vms):
            return
        time.sleep(0.1)


def dumped(world, path):
    """The log as the nodes have archived it, from the one that has all of it."""
    for node in world.nodes:
        lines = subprocess.run(
            [world.binary, "log", "dump", "--data-dir", node.data, "-o", "json"], capture_output=True, timeout=300)
        if lines.returncode == 0:
            entries = [json.loads(line) for line in lines.stdout.splitlines()]
            if entries and entries[0]["revision"] == 1:
                with open(path, "w") as file:
                    file.writelines(json.dumps(without_vms(entry)) + "\n" for entry in entries)
                return entries
    return None


def without_vms(entry):
    """The entry for who judges what clients asked for themselves: nobody asked for the addresses of VMs by name."""
    kept = [change for change in entry["changes"]
            if change["type"] != "allocation" or (change.get("after") or change["before"])["pool"] != "vms"]
    return {**entry, "changes": kept}


def finish(world, clients, options):
    """What was not as it must be, once the clients have stopped; and how many operations were looked at."""
    violations = []
    history = clients.stop()
    settled_vms(world)
    agrees, parts, export = settle(world)
    vms = [row for row in (export or {}).get("allocations", []) if row["pool"] == "vms"]
    found, fleet = check_vms(clients.vms, world.listed("vms?"), vms)
    violations += found
    if not agrees:
        violations.append(f"the nodes do not agree at the end: {parts}")
    alarms = [alarm for part in parts for alarm in part.get("alarms", [])]
    violations += [f"alarm: {alarm}" for alarm in alarms]
    world.stop_nodes()
    log = os.path.join(options.out, "log.jsonl")
    entries = dumped(world, log)
    if entries is None:
        violations.append("no node has archived the whole log")
    found, checked = check_history(history, entries or [], export)
    violations += found
    if entries is not None:
        verdict, found = judge(options.histories, os.path.join(options.out, "history.jsonl"), log)
        print(verdict)
        violations += found
    return violations, checked, fleet


def summary(rows, world, clients, violations, checked, fleet):
    kinds = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(row)
    table = []
    for kind in KINDS:
        found = kinds.get(kind)
        if not found:
            continue
        gaps = sorted(row["gap"] for row in found)
        attempts = sum(row["attempts"] for row in found)
        failed = sum(row["failed"] for row in found)
        table.append({
            "kind": kind, "cycles": len(found), "gap_p50": percentile(gaps, 0.5), "gap_p99": percentile(gaps, 0.99),
            "gap_max": gaps[-1], "requests": attempts, "failed_ratio": failed / max(1, attempts),
        })
    all_gaps = sorted(row["gap"] for row in rows if row["kind"] not in NO_WRITES)
    return {
        "cycles": len(rows), "kinds": table, "gap_p50": percentile(all_gaps, 0.5),
        "gap_p99": percentile(all_gaps, 0.99), "gap_max": all_gaps[-1] if all_gaps else 0,
        "operations": clients.total(), "checked": checked, "vms": fleet, "violations": violations, "etcd": world.etcd_version(),
        "failed_ratio": sum(row["failed"] for row in rows) / max(1, sum(row["attempts"] for row in rows)),
        "load": [round(load, 1) for load in os.getloadavg()],
    }


def say(result):
    print(f"{'fault':28} {'cycles':>6} {'gap p50':>8} {'p99':>7} {'max':>7} {'requests':>9} {'failed':>7}")
    for row in result["kinds"]:
        print(
            f"{row['kind']:28} {row['cycles']:6} {row['gap_p50']:7.2f}s {row['gap_p99']:6.2f}s {row['gap_max']:6.2f}s"
            f" {row['requests']:9} {100 * row['failed_ratio']:6.1f}%")
    print(
        f"chaos: {result['cycles']} cycles, longest gap between acknowledged writes p50 {result['gap_p50']:.2f} s, "
        f"p99 {result['gap_p99']:.2f} s, max {result['gap_max']:.2f} s; {result['checked']} operations checked, "
        f"{len(result['violations'])} violations; {100 * result['failed_ratio']:.2f} % of requests failed, "
        f"load {result['load'][2]}")
    print("fleet: {made} VMs made, {ended} ended, {running} running at the end".format(**result["vms"]))
    for violation in result["violations"][:20]:
        print(f"VIOLATION: {violation}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=".build/release/berth")
    parser.add_argument("--histories", default=".build/release/berth-histories", help="judges linearizability")
    parser.add_argument("--cycles", type=int, default=0, help="faults in all; 0 = each kind once")
    parser.add_argument("--kinds", default="", help="only kinds that contain this text")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--hold", type=float, default=4.0, help="seconds that a fault lasts")
    parser.add_argument("--writers", type=int, default=6)
    parser.add_argument("--out", default=".build/chaos", help="where history.jsonl and result.json go")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.kinds in kind]
    random.seed(options.seed)
    os.makedirs(options.out, exist_ok=True)
    place = tempfile.mkdtemp(prefix="berth-chaos-")
    print(f"seed {options.seed}, data in {place}", flush=True)
    try:
        if not os.access(options.histories, os.X_OK):
            raise Unable(f"there is no {options.histories}: swift build -c release --product berth-histories")
        world = World(os.path.abspath(options.binary), place)
    except Unable as why:
        print(f"skipped: {why}")
        shutil.rmtree(place, ignore_errors=True)
        return 77
    violations, rows, is_kept = [], [], True
    try:
        world.start()
        clients = Clients(world, options.writers, os.path.join(options.out, "history.jsonl"))
        clients.start()
        count = options.cycles or len(kinds)
        order = []
        while len(order) < count:
            order += random.sample(kinds, len(kinds))
        for number, kind in enumerate(order[:count]):
            row = cycle(world, clients, kind, options.hold)
            rows.append(row)
            violations += [f"cycle {number + 1} ({kind}): {complaint}" for complaint in row["complaints"]]
            print(
                f"{number + 1:4} {kind:28} {','.join(row['target']):16} gap {row['gap']:5.2f} s"
                f"  back after {row['recovery']:5.2f} s{'' if row['back'] else '  NOT BACK'}", flush=True)
            for at, name, what in row.get("timeline", []):
                print(f"       {at:6.2f} s  {name:3} {what}", flush=True)
            if not row["back"]:
                violations.append(f"cycle {number + 1} ({kind}): the cluster did not come back within 60 s")
                break
        found, checked, fleet = finish(world, clients, options)
        violations += found
        result = summary(rows, world, clients, violations, checked, fleet)
        with open(os.path.join(options.out, "result.json"), "w") as file:
            json.dump(result, file, indent=1)
        say(result)
        is_kept = bool(violations)
        return 1 if violations else 0
    finally:
        world.stop()
        if is_kept:
            print(f"everything is kept in {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
