"""What was acknowledged, beside the log in its order."""
import json
import subprocess


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def walk(entries, violations):
    """Replays the log: who has what by its order. Returns what each entry did, and what is held at the end."""
    holder, given, freed = {}, {}, {}
    last = 0
    for entry in entries:
        if entry["revision"] != last + 1:
            violations.append(f"the log goes from revision {last} to {entry['revision']}")
        last = entry["revision"]
        for change in entry["changes"]:
            if change["type"] != "allocation":
                continue
            row = change.get("after") or change["before"]
            place = (row["pool"], row["ip"])
            now = holder.get(place)
            if "after" in change:
                if now is not None and now != (row["owner"], row["generation"]):
                    violations.append(f"revision {last}: {row['ip']} of {now[0]} is given to {row['owner']}")
                if now is None:
                    if row["generation"] != last:
                        violations.append(f"revision {last}: {row['ip']} has generation {row['generation']}")
                    given.setdefault(row["owner"], []).append((last, row["ip"]))
                holder[place] = (row["owner"], row["generation"])
            else:
                if now != (row["owner"], row["generation"]):
                    violations.append(f"revision {last}: {row['ip']} is taken from {row['owner']}, but {now} has it")
                holder.pop(place, None)
                freed[(row["owner"], row["generation"])] = last
    return holder, given, freed


def check_history(history, entries, export):
    violations = []
    holder, given, freed = walk(entries, violations)
    checked = 0
    releases = {}
    for item in history:
        if item["op"] == "release":
            releases.setdefault(item["owner"], []).append(item)
    for item in history:
        checked += 1
        owner = item["owner"]
        if item["op"] == "allocate" and item["end"] == "ok":
            found = given.get(owner, [])
            if found != [(item["generation"], item["ip"])]:
                violations.append(
                    f"{owner} was told {item['ip']} at {item['generation']}, the log gave it {found or 'nothing'}")
            is_released = (owner, item["generation"]) in freed
            if is_released and owner not in releases:
                violations.append(f"{owner} lost {item['ip']} without asking")
        elif item["op"] == "allocate" and item["end"] == "refused":
            violations.append(f"{owner} was refused: {item['status']} {item.get('code')}")
        elif item["op"] == "allocate":
            if len(given.get(owner, [])) > 1:
                violations.append(f"{owner} got {given[owner]} for one request whose end it never heard")
        elif item["op"] == "release" and item["end"] == "ok":
            generation = item["target"].rsplit("=", 1)[1]
            if (owner, int(generation)) not in freed:
                violations.append(f"{owner} released generation {generation}, the log does not know it")
        elif item["op"] == "release" and item["end"] == "refused":
            violations.append(f"the release of {owner} was refused: {item['status']} {item.get('code')}")
        elif item["op"] == "read" and item["own"] and item["found"] != owner:
            violations.append(
                f"{item['node']} answered a consistent read of {item['ip']} with {item['found']}, {owner} had it")
    violations += check_order(history)
    if export is not None:
        shown = {(row["pool"], row["ip"]): (row["owner"], row["generation"]) for row in export["allocations"]}
        if shown != holder:
            violations.append(
                f"the nodes show {len(shown)} allocations, the log adds up to {len(holder)}, "
                f"{len(set(shown.items()) ^ set(holder.items()))} differ")
    return violations, checked


def check_vms(asked, shown, allocations):
    """VMs as they were asked for and as they are at the end; `allocations` are those of their pool. Returns what was
    not as it must be, and figures."""
    violations = []
    there = {vm["name"]: vm for vm in shown}
    for name, item in asked.items():
        if item["made"] and item["made"] not in (200, 201):
            violations.append(f"VM {name} was refused: {item['made']} {(item['answer'] or {}).get('code')}")
        is_made = item["made"] in (200, 201)
        if is_made and "deleted" not in item and name not in there:
            violations.append(f"VM {name} was made and is gone")
        if item.get("deleted") in (200, 202) and name in there:
            violations.append(f"VM {name} was ended and is there: {there[name]['state']} {there[name]['why']}")
        if item.get("deleted") not in (None, 0, 200, 202):
            violations.append(f"the end of VM {name} was refused: {item['deleted']}")
    owned = {}
    for name, vm in there.items():
        if name not in asked:
            violations.append(f"nobody asked for VM {name}")
        if vm["state"] != "running":
            violations.append(f"VM {name} is {vm['state']} and not running: {vm['why']}")
        if len(vm["addresses"]) != 1:
            violations.append(f"VM {name} has {len(vm['addresses'])} addresses")
        for address in vm["addresses"]:
            if address["ip"] in owned:
                violations.append(f"{address['ip']} is of VM {name} and of {owned[address['ip']]}")
            owned[address["ip"]] = name
    held = {row["ip"] for row in allocations}
    if held != set(owned):
        violations.append(f"{len(held)} addresses are held for VMs, the VMs have {len(owned)}: {held ^ set(owned)}")
    for name, vm in there.items():
        if vm["epoch"] != 1:
            violations.append(f"VM {name} was started {vm['epoch']} times, and no node of the fleet was lost")
    made = sum(item["made"] in (200, 201) for item in asked.values())
    ended = sum(item.get("deleted") in (200, 202) for item in asked.values())
    return violations, {"made": made, "ended": ended, "running": len(there)}


def check_order(history):
    """What was answered before something else was asked stands before it in the log."""
    done = sorted(
        ((item["ended"], item["generation"]) for item in history if item["op"] == "allocate" and item["end"] == "ok"))
    asked = sorted(
        ((item["begun"], item["generation"], item["owner"], item["tries"]) for item in history
         if item["op"] == "allocate" and item["end"] == "ok"))
    violations, newest, index = [], 0, 0
    for begun, generation, owner, _ in asked:
        while index < len(done) and done[index][0] < begun:
            newest = max(newest, done[index][1])
            index += 1
        if generation < newest:
            violations.append(f"{owner} asked after revision {newest} was answered and got {generation}")
    return violations


def judge(tool, history, log):
    """Linearizability and the log's order, by `berth-histories`; which must also refuse this history with one lie in it."""
    violations = []
    verdict, output = run(tool, history, log)
    if verdict != 0:
        violations += output[:-1] or [f"{tool} ended with {verdict}"]
    forged = history.replace(".jsonl", "-forged.jsonl")
    if forge(history, forged) and run(tool, forged, log)[0] != 1:
        violations.append(f"{tool} takes a forged history for a true one: {forged}")
    return output[-1] if output else f"{tool} says nothing", violations


def run(tool, history, log):
    done = subprocess.run([tool, history, log], capture_output=True, text=True, timeout=600)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def forge(history, forged):
    """The same history, but one read of an owner's address, after the acknowledgement, found it free."""
    with open(history) as file:
        lines = [json.loads(line) for line in file]
    lies = [item for item in lines if item["op"] == "read" and item["own"] and item["found"] == item["owner"]]
    if not lies:
        return False
    lies[len(lies) // 2]["found"] = None
    with open(forged, "w") as file:
        file.writelines(json.dumps(item) + "\n" for item in lines)
    return True
