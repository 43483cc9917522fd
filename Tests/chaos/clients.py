"""Clients that allocate, read and release, repeat until they know, and write down what they were told."""
import collections
import http.client
import itertools
import json
import random
import socket
import threading
import time
import uuid

# How long one try may take, and all tries of one operation.
TRY_SECONDS = 2.0
OPERATION_SECONDS = 30.0
# A node that did not answer is asked last for so long, by this writer; as `berth` itself does.
AVOID_SECONDS = 3.0
# So many VMs there are at a time.
VMS_HELD = 24


def ask(node, method, target, body=None, headers=None, timeout=TRY_SECONDS):
    """One request on a connection of its own: status (0 = no answer), JSON, headers."""
    connection = http.client.HTTPConnection(node.address, node.port, timeout=timeout)
    try:
        return exchange(connection, method, target, body, headers)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, None, {}
    finally:
        connection.close()


def exchange(connection, method, target, body, headers):
    all_headers = dict(headers or {})
    if body is not None:
        all_headers["Content-Type"] = "application/json"
    connection.request(method, target, None if body is None else json.dumps(body), all_headers)
    answer = connection.getresponse()
    data = answer.read()
    return answer.status, json.loads(data) if data else None, {k.lower(): v for k, v in answer.getheaders()}


class Clients:
    def __init__(self, world, writers, path):
        self.world, self.writers = world, writers
        self.lock = threading.Lock()
        self.file = open(path, "w")
        self.history = []
        # Addresses that somebody was given lately: anybody may look at them.
        self.recent = collections.deque(maxlen=100)
        # When a write was acknowledged, and each try with whether it failed.
        self.acknowledged = [time.monotonic()]
        self.tries = []
        self.numbers = itertools.count()
        self.is_stopping = False
        self.threads = []
        # What was asked of VMs, and what was answered: name -> {"made": .., "deleted": ..}.
        self.vms = {}

    def start(self):
        for name, cidr in (("chaos", "10.0.0.0/16"), ("vms", "10.9.0.0/16")):
            for _ in range(60):
                if ask(self.world.nodes[0], "POST", "/api/v1/pools", {"name": name, "cidr": cidr})[0] in (201, 409):
                    break
                time.sleep(0.5)
        work = [(self.work, (number,)) for number in range(self.writers)] + [(self.work_on_vms, ())]
        for target, arguments in work:
            thread = threading.Thread(target=target, args=arguments, daemon=True)
            thread.start()
            self.threads.append(thread)
        end = time.monotonic() + 20
        while len(self.acknowledged) < 50 and time.monotonic() < end:
            time.sleep(0.05)

    def stop(self):
        self.is_stopping = True
        for thread in self.threads:
            thread.join(OPERATION_SECONDS + 10)
        self.file.close()
        return self.history

    # What the cycles ask.

    def last_acknowledged(self):
        return self.acknowledged[-1]

    def longest_gap(self, began, ended):
        with self.lock:
            times = [t for t in self.acknowledged[-200_000:] if began - 1 <= t <= ended]
        before = [t for t in times if t <= began][-1:] or [began]
        points = before + [t for t in times if t > began] + [ended]
        return max(b - a for a, b in zip(points, points[1:]))

    def counts(self, began, ended):
        with self.lock:
            found = [failed for t, failed in self.tries if began <= t <= ended]
        return {"attempts": len(found), "failed": sum(found)}

    def total(self):
        return collections.Counter(f"{item['op']} {item['end']}" for item in self.history)

    # The work.

    def work(self, number):
        connections, held = {}, []
        while not self.is_stopping:
            if held and (len(held) > 20 or random.random() < 0.4):
                self.release(connections, number, held.pop(random.randrange(len(held))))
            elif self.recent and random.random() < 0.2:
                self.read(connections, number, random.choice(list(self.recent)), None)
            else:
                owner = f"vm-{number}-{next(self.numbers)}"
                given = self.operation(
                    connections, {"client": number, "op": "allocate", "owner": owner}, "POST",
                    "/api/v1/pools/chaos/allocations", {"owner": owner})
                if given is not None:
                    held.append(given)
                    self.recent.append(given["ip"])
                    self.read(connections, number, given["ip"], owner)
            time.sleep(0.002)

    def release(self, connections, number, given):
        target = f"/api/v1/pools/chaos/allocations/{given['ip']}?generation={given['generation']}"
        item = {
            "client": number, "op": "release", "owner": given["owner"], "ip": given["ip"],
            "generation": given["generation"],
        }
        self.operation(connections, item, "DELETE", target, None)

    def read(self, connections, number, ip, owner):
        """A consistent read at any node: right after the acknowledgement, when the owner must be there, or of what
        anybody was given."""
        node = self.choose(connections, random.randrange(3))
        begun = time.monotonic()
        status, body, _ = self.attempt(connections, node, "GET", f"/api/v1/pools/chaos/allocations/{ip}", None, {})
        if status not in (200, 404):
            return
        self.note({
            "client": number, "op": "read", "end": "ok", "owner": owner or "anybody", "own": owner is not None,
            "ip": ip, "node": node.name, "begun": begun, "ended": time.monotonic(), "status": status,
            "found": (body or {}).get("owner") if status == 200 else None,
        })

    def operation(self, connections, item, method, target, body):
        """Repeats one operation under one key until its end is known, each try at another node."""
        op = item["op"]
        item.update(key=str(uuid.uuid4()), target=target, begun=time.monotonic())
        status, answer, headers, item["tries"] = self.repeat(connections, method, target, body, item["key"])
        item["ended"] = time.monotonic()
        if not status:
            item["end"] = "unknown"
            self.note(item)
            return None
        is_done = status in (200, 201)
        item.update(end="ok" if is_done else "refused", status=status, revision=int(headers.get("berth-revision", 0)))
        if is_done:
            item.update(ip=answer["ip"], generation=answer["generation"])
            with self.lock:
                self.acknowledged.append(item["ended"])
        else:
            item["code"] = (answer or {}).get("code")
        self.note(item)
        return item if is_done and op == "allocate" else None

    def repeat(self, connections, method, target, body, key):
        """Status (0 = nobody knows), answer, headers, and how many tries it took."""
        end = time.monotonic() + OPERATION_SECONDS
        turn, tries = random.randrange(3), 0
        while time.monotonic() < end:
            node = self.choose(connections, turn)
            turn += 1
            tries += 1
            status, answer, headers = self.attempt(connections, node, method, target, body, {"Idempotency-Key": key})
            if status and status not in (503, 504):
                return status, answer, headers, tries
            time.sleep(0.02)
        return 0, None, {}, tries

    # VMs, beside: one client that makes and ends them.

    def work_on_vms(self):
        connections, held = {}, []
        while not self.is_stopping:
            if len(held) >= VMS_HELD:
                name = held.pop(random.randrange(len(held)))
                status, *_ = self.repeat(connections, "DELETE", f"/api/v1/vms/{name}", None, str(uuid.uuid4()))
                self.vms[name]["deleted"] = status
            else:
                name = f"chaos-{next(self.numbers)}"
                body = {"name": name, "vcpus": 1, "memory_mib": 256, "failover": "restart",
                        "interfaces": [{"pool": "vms"}]}
                status, answer, *_ = self.repeat(connections, "POST", "/api/v1/vms", body, str(uuid.uuid4()))
                self.vms[name] = {"made": status, "answer": answer}
                if status in (200, 201):
                    held.append(name)
            time.sleep(0.05)

    def choose(self, connections, turn):
        """The next node in turn, of those that have answered lately if there are any."""
        now = time.monotonic()
        avoided = connections.setdefault("avoided", {})
        good = [node for node in self.world.nodes if avoided.get(node.name, 0) < now]
        nodes = good or self.world.nodes
        return nodes[turn % len(nodes)]

    def attempt(self, connections, node, method, target, body, headers):
        begun = time.monotonic()
        connection = connections.get(node.name)
        if connection is None:
            connection = http.client.HTTPConnection(node.address, node.port, timeout=TRY_SECONDS)
            connections[node.name] = connection
        try:
            found = exchange(connection, method, target, body, headers)
        except (OSError, socket.timeout, http.client.HTTPException, ValueError):
            connection.close()
            connections.pop(node.name, None)
            connections.setdefault("avoided", {})[node.name] = time.monotonic() + AVOID_SECONDS
            found = (0, None, {})
        with self.lock:
            self.tries.append((begun, found[0] in (0, 503, 504)))
        return found

    def note(self, item):
        with self.lock:
            self.history.append(item)
            self.file.write(json.dumps(item) + "\n")
