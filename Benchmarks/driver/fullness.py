"""What the next free address costs in a pool that is empty, half full, and 99.9 % full with scattered holes.

The pool is filled through the bulk route. At 99.9 % it is first filled to the last address, then every 1000th
address is released, so that each search has to cross what is taken.
"""
import ipaddress
import statistics

from .alone import stats
from .process import Skipped

BULK = 1024
HOLE_STRIDE = 1000
REPEATS = 3
BYTES_PER_ADDRESS = 600  # generous: table, index and log on the tmpfs


def fullness(setting):
    network = ipaddress.ip_network(setting.fullness_network)
    _check_memory(network)
    holes = network.num_addresses // HOLE_STRIDE - 1
    # A snapshot of eight million rows in the middle would be measured instead of the search.
    server = setting.start_berth(
        setting.memory or setting.disk, network=setting.fullness_network, flags=("--snapshot-every", "1000000000"))
    try:
        result = {"network": str(network), "holes": holes}
        result["empty"] = _measure(setting, server, holes)
        _bulk(setting, server, lambda s: s["total"] // 2 - s["used"])
        result["half"] = _measure(setting, server, holes)
        _bulk(setting, server, lambda s: s["available"])
        result["full"] = _holes(setting, server, network, holes)
        return result
    finally:
        server.stop()


def _check_memory(network):
    with open("/proc/meminfo") as file:
        available = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    needed = network.num_addresses * BYTES_PER_ADDRESS
    if needed > available:
        raise Skipped(f"needs {needed >> 30} GiB of memory, {available >> 30} GiB are available")


def _measure(setting, server, count):
    server.settle()
    runs = [setting.allocate(server, count=count, connections=64) for _ in range(REPEATS)]
    return _median(runs)


def _median(runs):
    return {key: statistics.median(r[key] for r in runs) for key in ("cpu_us", "p50_us", "p99_us", "per_second")}


def _bulk(setting, server, wanted):
    """Fills until `wanted(stats)` addresses are taken, the rest smaller than one bulk request included."""
    missing = wanted(stats(server))
    print(f"fullness: filling {missing:,} addresses", flush=True)
    for size, count in ((BULK, missing // BULK), (missing % BULK, 1)):
        if size and count:
            setting.load(
                server, "/api/v1/pools/default/allocations", method="POST", expect="201", connections=4, count=count,
                body=f'{{"owner":"fill-%n","count":{size}}}', first=setting.owners())


def _holes(setting, server, network, holes):
    if stats(server)["available"] != 0:
        raise Skipped("the pool is not full after filling it")
    runs = []
    base = network.network_address + HOLE_STRIDE // 2
    for _ in range(REPEATS):
        setting.load(
            server, "/api/v1/ip/release-by-ip/%a", method="DELETE", count=holes, connections=64,
            address_base=base, address_stride=HOLE_STRIDE)
        server.settle()
        runs.append(setting.allocate(server, count=holes, connections=64))
    return _median(runs)
