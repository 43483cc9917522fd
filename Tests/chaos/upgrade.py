#!/usr/bin/env python3
"""Two versions of Berth side by side: a cluster goes from one binary to another node by node, and back.

Clients allocate, read and release all the time, as in chaos.py. After each step there are nodes of both versions, and
the leadership is moved once to each side. At the end everything acknowledged is compared with the log.

    Tests/chaos/upgrade.py --old BINARY --new BINARY     (needs root, etcd, ip, nft)

It shows that two versions get along as long as the later one writes nothing that the earlier one does not know.
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from chaos import finish, recover  # noqa: E402
from clients import Clients, ask  # noqa: E402
from world import Unable, World  # noqa: E402


def step(world, clients, node, binary, name):
    began = time.monotonic()
    node.stop()
    node.binary = binary
    node.start()
    is_back = recover(world, clients, 60)
    for _ in range(2):
        # The leadership goes from one side to the other; any node may be asked.
        leader = world.leader()
        ask(leader, "POST", "/api/v1/cluster/depose", {})
        is_back = recover(world, clients, 60) and is_back
    ended = time.monotonic()
    print(
        f"{node.name} is {name}: longest gap {clients.longest_gap(began, ended):.2f} s, leader {world.leader().name}"
        f"{'' if is_back else '  NOT BACK'}", flush=True)
    return [] if is_back else [f"{node.name} as {name}: the cluster did not come back within 60 s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", required=True)
    parser.add_argument("--new", default=".build/release/berth")
    parser.add_argument("--histories", default=".build/release/berth-histories")
    parser.add_argument("--out", default=".build/upgrade")
    options = parser.parse_args()
    random.seed(1)
    os.makedirs(options.out, exist_ok=True)
    place = tempfile.mkdtemp(prefix="berth-upgrade-")
    try:
        world = World(os.path.abspath(options.old), place)
    except Unable as why:
        print(f"skipped: {why}")
        shutil.rmtree(place, ignore_errors=True)
        return 77
    violations = []
    try:
        world.start()
        clients = Clients(world, 6, os.path.join(options.out, "history.jsonl"))
        clients.start()
        for binary, name in ((options.new, "new"), (options.old, "old")):
            leader = world.leader()
            for node in [node for node in world.nodes if node is not leader] + [leader]:
                violations += step(world, clients, node, os.path.abspath(binary), name)
        found, checked, _ = finish(world, clients, options)
        violations += found
        print(f"upgrade: 3 nodes there and back, {checked} operations checked, {len(violations)} violations")
        for violation in violations[:20]:
            print(f"VIOLATION: {violation}")
        return 1 if violations else 0
    finally:
        world.stop()
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
