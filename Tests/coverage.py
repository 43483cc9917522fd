#!/usr/bin/env python3
"""Prints which share of the product's lines the tests ran, by room, from llvm's coverage export."""
import collections
import json
import sys

with open(sys.argv[1]) as file:
    files = json.load(file)["data"][0]["files"]
rooms = collections.defaultdict(lambda: [0, 0])
for entry in files:
    parts = entry["filename"].split("/Sources/")
    if len(parts) == 2 and not parts[1].startswith(("TestSupport/", "C/")):
        lines = entry["summary"]["lines"]
        for room in (parts[1].split("/")[0], "all rooms"):
            rooms[room][0] += lines["covered"]
            rooms[room][1] += lines["count"]
for room, (covered, count) in sorted(rooms.items(), key=lambda item: (item[0] == "all rooms", item[0])):
    print(f"coverage {room:<12} {100 * covered / max(count, 1):5.1f} %  of {count} lines")
