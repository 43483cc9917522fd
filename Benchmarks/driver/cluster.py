"""Three members of etcd and three nodes of Berth on this machine, beside the same etcd with one key per address."""
import http.client
import json
import os
import shutil
import statistics
import subprocess
import time

from .process import Process, Skipped, free_port

# None: whatever waits.
BATCH_MAXIMA = (None, 1, 16, 64, 256)
BATCH_ROUNDS = 3
PROPAGATIONS = 300
READS = 64
# The fleet that VMs are made on, beside the cluster.
FLEET_NODES = 100
VMS = 3_000
# Pools that all nodes are asked for addresses of at once, and how many addresses of each node.
POOLS = 10
OF_POOLS = 2_000


class Cluster:
    def __init__(self, setting, extra=()):
        self.setting, self.extra = setting, list(extra)
        self.place = os.path.join(setting.disk, "cluster")
        shutil.rmtree(self.place, ignore_errors=True)
        os.makedirs(self.place)
        self.etcds, self.nodes = [], []
        binary = shutil.which("etcd")
        if not binary:
            raise Skipped("there is no etcd here (Debian: etcd-server)")
        ports = [(free_port(), free_port()) for _ in range(3)]
        peers = ",".join(f"e{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(ports))
        for i, (client, peer) in enumerate(ports):
            self.etcds.append(Process(f"etcd-{i}", [
                binary, "--name", f"e{i}", "--data-dir", f"{self.place}/etcd-{i}",
                "--listen-client-urls", f"http://127.0.0.1:{client}",
                "--advertise-client-urls", f"http://127.0.0.1:{client}",
                "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster", peers,
                "--election-timeout", "500", "--heartbeat-interval", "50", "--pre-vote", "--logger", "zap",
                "--log-level", "error", "--quota-backend-bytes", str(4 << 30),
            ], client, setting.log(f"etcd-{i}")))
        for etcd in self.etcds:
            etcd.wait_until("/health")
        self.version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.split("\n")[0]

    def start_node(self, name, *extra):
        port = free_port()
        node = Process(name, [
            self.setting.berth, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", f"{self.place}/{name}",
            "-n", "10.0.0.0/8", "--node", name, "--etcd",
            ",".join(f"http://127.0.0.1:{etcd.port}" for etcd in self.etcds), *self.extra, *extra,
        ], port, self.setting.log(name))
        self.nodes.append(node)
        return node

    def start_nodes(self, *extra):
        for i in range(3):
            self.start_node(f"node-{i}", *extra).wait_until("/readyz")
        for _ in range(400):
            if ask(self.nodes[0], "GET", "/api/v1/ip/stats")[0] == 200:
                return self
            time.sleep(0.05)
        raise Skipped("the cluster did not come up")

    def stop_nodes(self):
        for node in self.nodes:
            node.stop()
        self.nodes = []

    def stop(self):
        self.stop_nodes()
        for etcd in self.etcds:
            etcd.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    def leader(self):
        for _ in range(100):
            for node in self.nodes:
                if ask(node, "GET", "/api/v1/health")[1].get("cluster", {}).get("role") == "leader":
                    return node
            time.sleep(0.1)
        raise Skipped("no node leads")

    def follower(self):
        leader = self.leader()
        return next(node for node in self.nodes if node is not leader)

    def etcd_leader(self):
        for etcd in self.etcds:
            _, status = ask(etcd, "POST", "/v3/maintenance/status", {})
            if status.get("leader") == status.get("header", {}).get("member_id"):
                return etcd
        return self.etcds[0]


def ask(server, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body),
                           {"Content-Type": "application/json"} if body is not None else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    except (OSError, ValueError, http.client.HTTPException):
        return 0, {}
    finally:
        connection.close()


def put(setting, server, connections):
    """One key per address, put only where none is: what a service without batches would ask of etcd."""
    body = ('{"compare":[{"key":"AAA%n","target":"CREATE","create_revision":"0"}],'
            '"success":[{"request_put":{"key":"AAA%n","value":"dm0tMTIzNDU2Nzg5MDEyMw=="}}]}')
    return setting.load(server, "/v3/kv/txn", method="POST", body=body, expect="200", connections=connections,
                        first=setting.owners(), seconds=setting.seconds, warmup=setting.warmup)


def allocate(setting, node, connections):
    return setting.allocate(node, connections=connections, seconds=setting.seconds, warmup=setting.warmup)


def cluster(setting):
    """A dictionary of figures; medians of the rounds where there are several."""
    found = {"batch": {}}
    world = Cluster(setting)
    try:
        found["etcd"] = world.version
        world.start_nodes()
        rounds = {name: [] for name in ("put256", "leader256", "follower256", "put1", "leader1", "follower1")}
        for _ in range(setting.rounds):
            leader, follower, etcd = world.leader(), world.follower(), world.etcd_leader()
            for connections in (1, 256):
                rounds[f"put{connections}"].append(put(setting, etcd, connections))
                rounds[f"leader{connections}"].append(allocate(setting, leader, connections))
                rounds[f"follower{connections}"].append(allocate(setting, follower, connections))
        for name, runs in rounds.items():
            found[name] = {key: statistics.median(run[key] for run in runs) for key in ("per_second", "p50_us", "p99_us")}
        found.update(reads(setting, world))
        found["pools"] = pools(setting, world)
        found["propagation"] = propagation(world)
        found["vms"] = vms(setting, world)
        found["fresh"] = fresh(setting, world)
        world.stop_nodes()
        found["batch"] = batches(setting, world)
    finally:
        world.stop()
    return found


def batches(setting, world):
    """256 in flight by the largest batch: each round measures every bound once, and the medians count."""
    rounds = {most: [] for most in BATCH_MAXIMA}
    for _ in range(max(BATCH_ROUNDS, setting.rounds)):
        for most in BATCH_MAXIMA:
            world.start_nodes(*(() if most is None else ("--batch-max", str(most))))
            rounds[most].append(allocate(setting, world.leader(), 256))
            world.stop_nodes()
    return {
        most: {key: statistics.median(run[key] for run in runs) for key in ("per_second", "p50_us", "p99_us")}
        for most, runs in rounds.items()
    }


def reads(setting, world):
    follower = world.follower()
    owner = f"reader-{setting.owners(1)}"
    for _ in range(50):
        if ask(follower, "POST", "/api/v1/ip/allocate", {"vm_id": owner})[0] in (200, 201):
            break
    rows = {}
    for connections in (1, READS):
        for name, query in (("consistent", ""), ("stale", "?consistency=stale")):
            rows[f"{name}{connections}"] = setting.load(
                follower, f"/api/v1/ip/{owner}{query}", connections=connections, seconds=setting.seconds,
                warmup=setting.warmup)
    return {"reads": rows}


def pools(setting, world):
    """Addresses of ten pools, asked of all three nodes at once, 16 in flight at each."""
    for number in range(POOLS):
        status, answer = ask(world.leader(), "POST", "/api/v1/pools",
                             {"name": f"p-{number:013}", "cidr": f"172.16.{number * 16}.0/20"})
        if status != 201:
            raise Skipped(f"no pool {number}: {answer}")
    body = '{"owner":"vm-%n"}'
    running = [
        setting.start_load(node, "/api/v1/pools/p-%r/allocations", method="POST", body=body, expect="201", connections=16,
                           count=OF_POOLS, first=setting.owners(), random_range=POOLS, digits=13)
        for node in world.nodes
    ]
    runs = []
    for node, process in zip(world.nodes, running):
        out, err = process.communicate()
        if process.returncode != 0:
            raise Skipped(f"{node.name}: {err.strip()}")
        runs.append(json.loads(out))
    return {"per_second": sum(run["per_second"] for run in runs), "p50_us": statistics.median(r["p50_us"] for r in runs),
            "p99_us": max(run["p99_us"] for run in runs)}


def vms(setting, world):
    """Creates of VMs, each with its node and its address, at the leader and at a follower; 256 in flight, while agents
    bring the VMs up at once."""
    agents = Process("agents", [
        setting.berth, "agent", "--server", ",".join(f"http://127.0.0.1:{node.port}" for node in world.nodes),
        "--nodes", FLEET_NODES, "--datacenters", 3, "--vcpus", 128, "--memory", "1T", "--start-delay", "0ms"],
        0, setting.log("agents"))
    try:
        leader = world.leader()
        for _ in range(600):
            if len(ask(leader, "GET", "/api/v1/nodes?state=ready&limit=1000")[1].get("items", [])) == FLEET_NODES:
                break
            time.sleep(0.1)
        else:
            raise Skipped("the simulated nodes did not come up")
        body = '{"name":"vm-%n","vcpus":1,"memory_mib":1024}'
        return {
            name: setting.load(node, "/api/v1/vms", method="POST", body=body, expect="201", connections=256, count=VMS,
                               first=setting.owners())
            for name, node in (("leader", leader), ("follower", world.follower()))
        }
    finally:
        agents.stop()


def propagation(world):
    """Milliseconds from the leader's answer until each other node shows the row by itself: p50 and p99."""
    leader = world.leader()
    others = [node for node in world.nodes if node is not leader]
    times = []
    for number in range(PROPAGATIONS):
        owner = f"seen-{number}-{time.monotonic_ns()}"
        status, _ = ask(leader, "POST", "/api/v1/ip/allocate", {"vm_id": owner})
        answered = time.monotonic()
        if status != 201:
            continue
        waiting = list(others)
        while waiting and time.monotonic() < answered + 5:
            waiting = [node for node in waiting if ask(node, "GET", f"/api/v1/ip/{owner}?consistency=stale")[0] != 200]
        times.append((time.monotonic() - answered) * 1000)
    times.sort()
    return {"p50_ms": times[len(times) // 2], "p99_ms": times[int(0.99 * len(times))], "count": len(times)}


def fresh(setting, world):
    """From exec to the first consistent read of a node without an archive, with all allocations there are by now."""
    leader = world.leader()
    missing = setting.allocations - ask(leader, "GET", "/api/v1/ip/stats")[1].get("used", 0)
    if missing > 0:
        setting.allocate(leader, count=missing, connections=256)
    count = ask(leader, "GET", "/api/v1/ip/stats")[1].get("used", 0)
    begun = time.monotonic()
    node = world.start_node("fresh")
    while time.monotonic() < begun + 120:
        if ask(node, "GET", "/api/v1/ip/stats")[1].get("used") == count:
            return {"count": count, "seconds": time.monotonic() - begun}
        time.sleep(0.01)
    raise Skipped("a fresh node did not come up within 120 s")
