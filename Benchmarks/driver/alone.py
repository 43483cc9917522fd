"""Berth alone: binary size, cold start, idle memory; bytes per allocation and restart with a full table."""
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
import http.client
import json

from .process import Skipped, first_answer_milliseconds, free_port

COLD_STARTS = 11
SETTLE_SECONDS = 1


def idle(setting):
    """Rows of (what, value) for the idle table; cold start is from exec to the first 200, new data directory."""
    rows = []
    for name, binary, arguments in _candidates(setting):
        if not os.access(binary, os.X_OK):
            setting.skip(f"idle, {name}", f"{binary} does not exist")
            continue
        try:
            rows.append(_idle_row(setting, name, binary, arguments))
        except Skipped as reason:
            setting.skip(f"idle, {name}", reason)
    return rows


def _candidates(setting):
    found = [("berth", setting.rust if setting.stand_in else setting.berth,
              lambda port: setting.berth_arguments(port, setting.data_directory(setting.disk)))]
    if setting.rust:
        found.append(("rust, 2 workers", setting.rust, lambda port: [setting.rust, "--listen", f"127.0.0.1:{port}"]))
    found.append(("echo", setting.bench, lambda port: [setting.bench, "echo", "--port", port]))
    return found


def _idle_row(setting, name, binary, arguments):
    port = free_port()
    server = setting.start(name, arguments(port), port)
    try:
        time.sleep(SETTLE_SECONDS)
        resident, anonymous = server.resident()
    finally:
        server.stop()
    starts = []
    for _ in range(COLD_STARTS):
        port = free_port()
        starts.append(first_answer_milliseconds(arguments(port), port, setting.log(name)))
    return {"name": name, "size": os.stat(binary).st_size, "stripped": stripped_size(binary),
            "cold_ms": statistics.median(starts), "cold_worst_ms": max(starts),
            "resident": resident, "anonymous": anonymous}


def stripped_size(binary):
    """The size after `strip`, None where strip is missing."""
    if not shutil.which("strip"):
        return None
    with tempfile.TemporaryDirectory() as directory:
        copy = os.path.join(directory, "stripped")
        subprocess.run(["strip", "-o", copy, binary], check=True)
        return os.stat(copy).st_size


def stats(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/api/v1/ip/stats")
        answer = connection.getresponse()
        if answer.status != 200:
            raise Skipped(f"{server.name}: /api/v1/ip/stats answered {answer.status}")
        return json.loads(answer.read())
    except (OSError, http.client.HTTPException) as error:
        raise Skipped(f"{server.name}: /api/v1/ip/stats: {error}")
    finally:
        connection.close()


def fill(setting, parent):
    """A server on a new directory with `allocations` owners of 16 bytes, and its resident bytes before."""
    server = setting.start_berth(parent)
    try:
        time.sleep(SETTLE_SECONDS)
        before = server.resident()
        setting.populate(server, setting.allocations)
        return server, before
    except BaseException:
        server.stop()
        raise


def restart(setting):
    """Memory per allocation and the time until a full server answers again, after SIGTERM and after SIGKILL."""
    count = setting.allocations
    print(f"restart: filling {count:,} allocations", flush=True)
    server, before = fill(setting, setting.disk)
    try:
        after = server.resident()
        result = {"count": count, "bytes_each": (after[0] - before[0]) / count,
                  "anonymous_each": (after[1] - before[1]) / count, "resident": after[0]}
        last = f"/api/v1/ip/vm-{count - 1:013}"
        for key, wish in (("after_term_ms", signal.SIGTERM), ("after_kill_ms", signal.SIGKILL)):
            server.stop(wish)
            begin = time.monotonic()
            server = setting.start_berth(setting.disk, fresh=False, path=last)
            result[key] = (time.monotonic() - begin) * 1000
            used = stats(server)["used"]
            if used != count:
                raise Skipped(f"{used} of {count} allocations were there after the restart")
        time.sleep(SETTLE_SECONDS)
        result["resident_after"] = server.resident()[0]
        return result
    finally:
        server.stop()
