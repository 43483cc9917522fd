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
REST_SECONDS = 10
PATIENCE = 180


def fleet(setting):
    """A dictionary of figures."""
    nodes = 100 if setting.quick else 1000
    vms = 10 * nodes
    server = setting.start_berth(setting.disk)
    agents = None
    try:
        found = {"nodes": nodes, "vms": vms, "server_before": server.resident()[0]}
        found["allocate"] = median(
            [setting.allocate(server, connections=64, seconds=setting.seconds, warmup=setting.warmup)
             for _ in range(3)])
        begun = time.monotonic()
        agents = Process("agents", [
            setting.berth, "agent", "--server", f"http://127.0.0.1:{server.port}", "--nodes", nodes, "--datacenters", 3,
            "--zones", 2, "--racks", 4, "--vcpus", 64, "--memory", "256G", "--start-delay", "0ms"],
            0, setting.log("agents"))
        wait(server, nodes, lambda: metric(server, 'berth_nodes{state="ready"}') >= nodes, "nodes are ready")
        found["ready_seconds"] = time.monotonic() - begun
        empty = server.resident()[0]
        begun = time.monotonic()
        body = '{"name":"vm-%n","vcpus":1,"memory_mib":1024}'
        found["create"] = setting.load(
            server, "/api/v1/vms", method="POST", body=body, expect="201", connections=64, count=vms - VISIBLE,
            first=setting.owners())
        running = 'berth_vms{state="running"}'
        wait(server, vms, lambda: metric(server, running) >= vms - VISIBLE, "VMs run")
        found["running_seconds"] = time.monotonic() - begun
        found["visible"] = visible(server)
        found["server_each"] = (server.resident()[0] - empty) / vms
        found["server"], found["agents"] = server.resident()[0], agents.resident()[0]
        found["rest"] = rest(server, agents)
        return found
    finally:
        if agents:
            agents.stop()
        server.stop()


def median(runs):
    return {key: statistics.median(run[key] for run in runs) for key in ("per_second", "p50_us", "p99_us")}


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
