"""A thousand simulated nodes and ten thousand VMs through the real protocol, on one machine with Berth.

The agents are one process that speaks for all nodes (`berth agent`); their VMs come up at once, so that what is measured
is Berth and the way to the agents and back, and not a delay that was asked for.
"""
import http.client
import json
import statistics
import time

from .process import Process, Skipped, status

VISIBLE = 500
ROUNDS = 3
REST_SECONDS = 10
PATIENCE = 180


def fleet(setting):
    """A dictionary of figures."""
    nodes = 100 if setting.quick else 1000
    vms = 10 * nodes
    found = {"nodes": nodes, "vms": vms, "rounds": ROUNDS, "without": without_agents(setting, nodes, vms)}
    server = setting.start_berth(setting.disk)
    agents = None
    try:
        begun = time.monotonic()
        agents = Process("agents", [
            setting.berth, "agent", "--server", f"http://127.0.0.1:{server.port}", "--nodes", nodes, "--datacenters", 3,
            "--zones", 2, "--racks", 4, "--vcpus", 64, "--memory", "256G", "--start-delay", "0ms"],
            0, setting.log("agents"))
        wait(server, nodes, lambda: metric(server, 'berth_nodes{state="ready"}') >= nodes, "nodes are ready")
        found["ready_seconds"] = time.monotonic() - begun
        server.settle()
        found["beside"] = in_turn(setting, server, vms, running, agents)
        found["visible"] = visible(server)
        found["server"], found["agents"] = server.resident()[0], agents.resident()[0]
        found["rest"] = rest(server, agents)
        return found
    finally:
        if agents:
            agents.stop()
        server.stop()


def without_agents(setting, nodes, vms):
    """The same nodes, of which nobody speaks: HTTP, decision and durable commit alone."""
    server = setting.start_berth(setting.disk, flags=("--node-lease-seconds", 600))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        for number in range(nodes):
            place = {"datacenter": f"dc-{number % 3}", "zone": f"z-{number % 6}", "rack": f"r-{number % 24}"}
            body = {"capacity": {"vcpus": 64, "memory_mib": 256 << 10}, "topology": place}
            ask(connection, "PUT", f"/api/v1/nodes/bare-{number}", json.dumps(body))
        return in_turn(setting, server, vms, lambda server, count: None)
    finally:
        connection.close()
        server.stop()


def in_turn(setting, server, vms, settled, agents=None):
    """Plain allocations and creates of VMs over 64 connections, one after the other in `ROUNDS` rounds, so that both meet
    the same machine; after the creates of a round `settled` waits. Medians; of creates and waiting the seconds in sum,
    what the server grew by, and the agents' hundredths of a second of CPU."""
    each = (vms - VISIBLE) // ROUNDS
    runs = {"allocate": [], "create": []}
    found = {"seconds": 0, "grown": 0, "agents": 0, "vms": each * ROUNDS}
    spent = agents.ticks if agents else lambda: 0
    for number in range(ROUNDS):
        # As many as take about as long, because short runs say little.
        runs["allocate"].append(setting.allocate(server, connections=64, count=3 * each))
        before, by_agents, begun = server.resident()[0], spent(), time.monotonic()
        runs["create"].append(setting.load(
            server, "/api/v1/vms", method="POST", body='{"name":"vm-%n","vcpus":1,"memory_mib":1024}', expect="201",
            connections=64, count=each, first=setting.owners()))
        settled(server, (number + 1) * each)
        found["seconds"] += time.monotonic() - begun
        found["grown"] += server.resident()[0] - before
        found["agents"] += spent() - by_agents
    found |= {name: median(several) for name, several in runs.items()}
    found["ratio"] = statistics.median(
        create["per_second"] / allocate["per_second"] for create, allocate in zip(runs["create"], runs["allocate"]))
    return found


def running(server, count):
    wait(server, count, lambda: metric(server, 'berth_vms{state="running"}') >= count, "VMs run")


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in ("per_second", "p50_us", "p99_us", "cpu_us")}


def visible(server):
    """Milliseconds from the answer to a create until the VM is shown as running; one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    times = []
    try:
        for number in range(VISIBLE):
            body = json.dumps({"name": f"seen-{number}", "vcpus": 1, "memory_mib": 1024})
            ask(connection, "POST", "/api/v1/vms", body)
            answered = time.monotonic()
            while ask(connection, "GET", f"/api/v1/vms/seen-{number}")["state"] != "running":
                if time.monotonic() > answered + PATIENCE:
                    raise Skipped(f"seen-{number} did not run within {PATIENCE} s")
                time.sleep(0.001)
            times.append((time.monotonic() - answered) * 1000)
    finally:
        connection.close()
    times.sort()
    return {"p50_ms": times[len(times) // 2], "p99_ms": times[int(0.99 * len(times))], "worst_ms": times[-1]}


def ask(connection, method, path, body=None):
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    document = json.loads(answer.read() or b"{}")
    if answer.status >= 300:
        raise Skipped(f"{method} {path}: {answer.status} {document.get('detail')}")
    return document


def rest(server, agents):
    """What both use of a processor, in percent, when nothing happens."""
    server.settle()
    before = server.ticks(), agents.ticks()
    time.sleep(REST_SECONDS)
    after = server.ticks(), agents.ticks()
    return [(b - a) / REST_SECONDS for a, b in zip(before, after)]


def metric(server, name):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        for line in connection.getresponse().read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0
    finally:
        connection.close()


def wait(server, count, condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline or status(server.port, "/healthz") != 200:
            raise Skipped(f"not all {count} {what} after {PATIENCE} s")
        time.sleep(0.02)
