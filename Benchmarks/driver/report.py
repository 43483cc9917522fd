"""Results to Markdown: the tables, and each budget with what was measured and whether it is kept."""

BEGIN, END = "<!-- figures: written by Benchmarks/run.py -->", "<!-- end of figures -->"


def table(head, rows):
    rows = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def number(value, decimals=0, unit=""):
    return "-" if value is None else f"{value:,.{decimals}f}{unit}"


def times(value):
    return number(value, 2, "x")


class Report:
    def __init__(self, setting, command, machine):
        self.setting, self.command, self.machine = setting, command, machine
        self.matrix = None
        self.idle = []
        self.restart = self.snapshot = self.readers = self.fullness = self.cluster = self.fleet = None

    def markdown(self):
        parts = ["## The run", table(("what", "value"), [("command", f"`{self.command}`"), *self.machine])]
        if self.setting.stand_in:
            parts.append("**The Rust peer stood in for Berth: these figures try the driver and say nothing of Berth.**")
        parts += self._budgets() + self._matrix() + self._idle() + self._others()
        if self.setting.skipped:
            parts += ["## Left out", "\n".join(f"- {line}" for line in self.setting.skipped)]
        return "\n\n".join(parts) + "\n"

    # Tables

    def _matrix(self):
        m = self.matrix
        if not m or not m.cells:
            return []
        rows = []
        for operation, connections, name in m.rows():
            value = lambda key: m.value(name, operation, connections, key)
            to_echo = m.ratio(name, "echo", operation, connections, "cpu_us")
            shown = [number(value(key)) for key in ("per_second", "p50_us", "p99_us", "p999_us")]
            rows.append((operation, connections, name, number(value("cpu_us"), 1), times(to_echo), *shown))
        head = ("", "connections", "server", "CPU us/request", "CPU to echo", "requests/s", "p50 us", "p99 us",
                "p99.9 us")
        parts = ["## Servers", f"Medians of {self.setting.rounds} rounds of {self.setting.seconds:g} s after "
                 f"{self.setting.warmup:g} s of warm-up.", table(head, rows)]
        if m.commits:
            engines = ("SQLite, WAL, FULL", "zero-filled file")
            rows = [(engine, *(number(m.commit_value(i, key)) for key in ("per_second", "p50_us", "p99_us")))
                    for i, engine in enumerate(engines)]
            parts += ["One bare commit of 150 bytes in the same directory as Berth's disk:",
                      table(("by", "commits/s", "p50 us", "p99 us"), rows)]
        return parts

    def _idle(self):
        if not self.idle:
            return []
        mib = lambda value: number(value and value / (1 << 20), 1)
        rows = [(r["name"], mib(r["size"]), mib(r["stripped"]), number(r["cold_ms"], 1), number(r["cold_worst_ms"], 1),
                 mib(r["resident"]), mib(r["anonymous"])) for r in self.idle]
        head = ("server", "binary MiB", "stripped MiB", "exec to first 200, ms", "worst of 11", "idle resident MiB",
                "of it anonymous")
        return ["## Idle", table(head, rows)]

    def _others(self):
        parts = []
        if self.restart:
            r = self.restart
            parts += [f"## {r['count']:,} allocations", table(("what", "value"), [
                ("resident bytes per allocation", number(r["bytes_each"])),
                ("of it anonymous", number(r["anonymous_each"])),
                ("resident MiB when full", number(r["resident"] / (1 << 20))),
                ("resident MiB after the restart", number(r["resident_after"] / (1 << 20))),
                ("exec to first answer after SIGTERM, ms", number(r["after_term_ms"])),
                ("exec to first answer after SIGKILL, ms", number(r["after_kill_ms"]))])]
        if self.snapshot:
            s = self.snapshot
            rows = [(w, number(s[k]["p50_us"]), number(s[k]["p99_us"]), number(s[k]["p999_us"]))
                    for w, k in (("without", "without"), ("while a snapshot is written", "during"))]
            parts += ["## Allocating while a snapshot is written",
                      f"{s['snapshots']} snapshots of {s['lasting_s']:.2f} s (median), 64 connections.",
                      table(("allocate", "p50 us", "p99 us", "p99.9 us"), rows)]
        if self.readers:
            parts += self._readers()
        if self.fullness:
            f = self.fullness
            rows = [(w, number(f[k]["cpu_us"], 1), times(self._share(f[k]["cpu_us"], f["empty"]["cpu_us"])),
                     number(f[k]["p50_us"]), number(f[k]["p99_us"]))
                    for w, k in (("empty", "empty"), ("50 % full", "half"), ("99.9 % full", "full"))]
            parts += [f"## Next free address in {f['network']}",
                      table(("pool", "CPU us/allocate", "to empty", "p50 us", "p99 us"), rows)]
        if self.cluster:
            parts += self._cluster()
        if self.fleet:
            parts += self._fleet()
        return parts

    def _fleet(self):
        f = self.fleet
        mib = lambda value: number(value / (1 << 20), 1)
        head = ("at 64 connections", "requests/s", "to allocate", "p50 us", "p99 us", "Berth's CPU us")
        rows = []
        for where, run in (("nodes without agents", f["without"]), ("beside agents that start the VMs", f["beside"])):
            for name, what in (("allocate", "allocate"), ("create", "create a VM, with its node and address")):
                ratio = times(run["ratio"]) if name == "create" else ""
                shown = [number(run[name][key]) for key in ("p50_us", "p99_us")]
                cpu = number(run[name]["cpu_us"], 1)
                rows.append((f"{where}: {what}", number(run[name]["per_second"]), ratio, *shown, cpu))
        other = [("all nodes registered and ready, s", number(f["ready_seconds"], 2)),
                 (f"{f['beside']['vms']:,} VMs created and running, s", number(f["beside"]["seconds"], 2)),
                 ("the agents' CPU for each of them, us", number(f["beside"]["agents"] * 1e4 / f["beside"]["vms"], 1)),
                 ("shown as running after the answer to the create, p50 ms", number(f["visible"]["p50_ms"], 1)),
                 ("the same, p99 ms", number(f["visible"]["p99_ms"], 1)),
                 ("the same, worst ms", number(f["visible"]["worst_ms"], 1)),
                 ("Berth, resident MiB", mib(f["server"])),
                 ("of it for a VM, bytes (with its address, history and log)",
                  number(f["beside"]["grown"] / f["beside"]["vms"])),
                 ("the agents of all nodes, resident MiB", mib(f["agents"])),
                 ("Berth at rest, % of a processor", number(f["rest"][0], 1)),
                 ("the agents at rest, % of a processor", number(f["rest"][1], 1))]
        return [f"## {f['nodes']:,} simulated nodes, {f['vms']:,} VMs",
                f"Allocations and creates in turn, medians of {f['rounds']} rounds; ratios inside a round.",
                table(head, rows), table(("what", "value"), other)]

    def _fleet_budgets(self):
        f = self.fleet
        for where, name in (("nodes without agents", "without"), ("beside agents that start it", "beside")):
            ratio = f[name]["ratio"]
            yield f"create a VM, {where}, requests/s to allocate", ">= 0.4x", times(ratio), ratio >= 0.4
        p99 = f["visible"]["p99_ms"]
        yield f"{f['nodes']:,} nodes: shown as running, p99", "< 500 ms", number(p99, 1, " ms"), p99 < 500

    def _cluster(self):
        c = self.cluster
        names = {"put": "etcd, one key per address", "leader": "berth, at the leader",
                 "follower": "berth, at a follower"}
        rows = [(names[name], connections, *(number(c[f"{name}{connections}"][k])
                                             for k in ("per_second", "p50_us", "p99_us")))
                for connections in (1, 256) for name in names]
        rows += [(f"create a VM, at {where}", 256, *(number(c["vms"][name][k]) for k in ("per_second", "p50_us", "p99_us")))
                 for name, where in (("leader", "the leader"), ("follower", "a follower"))]
        rows += [("berth, of 10 pools, at all three nodes", 48, *(number(c["pools"][k])
                                                                  for k in ("per_second", "p50_us", "p99_us")))]
        head = ("writes", "in flight", "requests/s", "p50 us", "p99 us")
        batch = [
            (most or "whatever waits", number(run["per_second"]), number(run["p50_us"]))
            for most, run in c["batch"].items()
        ]
        read = [(f"{kind}, {connections} connections", *(number(c["reads"][f"{kind}{connections}"][k])
                                                        for k in ("per_second", "p50_us", "p99_us")))
                for kind in ("consistent", "stale") for connections in (1, 64)]
        other = [("shown by all nodes after the answer, p50 ms", number(c["propagation"]["p50_ms"], 1)),
                 ("the same, p99 ms", number(c["propagation"]["p99_ms"], 1)),
                 (f"fresh node, {c['fresh']['count']:,} allocations, exec to first consistent read, s",
                  number(c["fresh"]["seconds"], 2))]
        return ["## Cluster", f"Three members of {c['etcd']} and three nodes, all on this machine.", table(head, rows),
                table(("batch at most (256 in flight)", "requests/s", "p50 us"), batch),
                table(("reads at a follower", "requests/s", "p50 us", "p99 us"), read), table(("what", "value"), other)]

    def _cluster_budgets(self):
        c = self.cluster
        ratio = self._share(c["leader256"]["per_second"], c["put256"]["per_second"])
        yield "cluster, 256 in flight, to one key per address", ">= 8x", times(ratio), ratio >= 8
        ratio = self._share(c["leader1"]["p50_us"], c["put1"]["p50_us"])
        yield "cluster, one client, p50 to one etcd put", "<= 2x", times(ratio), ratio <= 2
        p50 = c["reads"]["consistent1"]["p50_us"] / 1000
        yield "consistent read at a follower, p50", "< 5 ms", number(p50, 2, " ms"), p50 < 5
        made = c["vms"]["leader"]["per_second"]
        yield "cluster, creates of VMs, 256 in flight", ">= 3,000/s", number(made), made >= 3000
        fresh = c["fresh"]
        yield f"fresh node, {fresh['count']:,} allocations", "< 5 s", number(fresh["seconds"], 2, " s"), fresh["seconds"] < 5
        p99 = c["propagation"]["p99_ms"]
        yield "shown by all nodes, p99", "< 500 ms", number(p99, 1, " ms"), p99 < 500

    def _readers(self):
        names = {"alone": "alone", "control": "beside readers of the echo", "berth": "beside readers of Berth"}
        rows = [(place, names[name], number(v["per_second"]), number(v["p50_us"]), number(v["p99_us"]),
                 number(v.get("read_p50_us")), number(v.get("read_p99_us")))
                for place, result in self.readers.items() for name, v in result["rows"].items()]
        head = ("on", "writer", "allocations/s", "p50 us", "p99 us", "reads p50 us", "reads p99 us")
        return ["## One writer beside 64 readers", table(head, rows)]

    @staticmethod
    def _share(value, base):
        return value / base if value is not None and base else None

    # Budgets

    def _budgets(self):
        rows = [(what, limit, shown, "yes" if kept else "**no**")
                for what, limit, shown, kept in self._budget_rows() if kept is not None]
        return ["## Budgets", table(("what", "budget", "measured", "kept"), rows)] if rows else []

    def _budget_rows(self):
        below = lambda value, limit: None if value is None else value <= limit
        if self.matrix and self.matrix.cells:
            yield from self._matrix_budgets(below)
        berth = next((r for r in self.idle if r["name"] == "berth"), None)
        if berth:
            mib = berth["resident"] / (1 << 20)
            size = (berth["stripped"] or berth["size"]) / (1 << 20)
            yield "idle resident", "<= 16 MiB", number(mib, 1, " MiB"), mib <= 16
            yield "cold start", "<= 20 ms", number(berth["cold_ms"], 1, " ms"), berth["cold_ms"] <= 20
            yield "binary, stripped", "<= 16 MiB", number(size, 1, " MiB"), size <= 16
        if self.restart:
            r = self.restart
            slowest = max(r["after_term_ms"], r["after_kill_ms"])
            yield f"restart with {r['count']:,}", "< 1 s", number(slowest / 1000, 2, " s"), slowest < 1000
            yield "resident per allocation", "<= 200 bytes", number(r["bytes_each"]), r["bytes_each"] <= 200
        if self.snapshot:
            ratio = self.snapshot["during"]["p99_us"] / self.snapshot["without"]["p99_us"]
            yield "p99 while a snapshot is written", "<= 2x", times(ratio), ratio <= 2
        for place, result in (self.readers or {}).items():
            slower = result["slower_than_control"]
            shown = f"{slower:.1%} (against no readers at all: {result['slower_than_alone']:.1%})"
            yield f"64 readers slow the writer beyond the CPU they take, {place}", "< 10 %", shown, slower < 0.1
        if self.fullness:
            ratio = self._share(self.fullness["full"]["cpu_us"], self.fullness["empty"]["cpu_us"])
            yield "next free, 99.9 % full against empty", "<= 1.5x", times(ratio), below(ratio, 1.5)
        if self.cluster:
            yield from self._cluster_budgets()
        if self.fleet:
            yield from self._fleet_budgets()

    def _matrix_budgets(self, below):
        m, disk = self.matrix, "berth, disk"
        for connections in (1, 64, 256):
            ratio = m.ratio(disk, "echo", "GET", connections, "cpu_us")
            yield f"GET at {connections}, CPU to echo", "<= 1.3x", times(ratio), below(ratio, 1.3)
        for peer in [n for n in m.names if n.startswith("rust")]:
            ratio = m.ratio(disk, peer, "GET", 64, "cpu_us")
            yield f"GET at 64, CPU to {peer}", "< 1x", times(ratio), below(ratio, 1)
            for connections, wanted in ((64, 1.0), (256, 1.2)):
                cpu = m.ratio(disk, peer, "POST", connections, "cpu_us")
                yield f"allocate at {connections}, CPU to {peer}", "< 1x", times(cpu), below(cpu, 1)
                rate = m.ratio(disk, peer, "POST", connections, "per_second")
                kept = None if rate is None else rate >= wanted
                yield f"allocate at {connections}, requests/s to {peer}", f">= {wanted}x", times(rate), kept
        commit, echo = m.commit_value(0, "p50_us"), m.value("echo", "POST", 1, "p50_us")
        p50 = m.value(disk, "POST", 1, "p50_us")
        if commit and echo and p50:
            ratio = p50 / (commit + echo)
            yield "allocate at 1, p50 to commit + echo", "<= 1.5x", times(ratio), ratio <= 1.5
        p99 = m.value("berth, tmpfs", "POST", 1, "p99_us")
        yield "allocate at 1 on tmpfs, p99", "< 1 ms", number(p99 and p99 / 1000, 2, " ms"), below(p99, 999.9)

    def write(self, path):
        """Replaces what stands between the two marks in the document."""
        with open(path) as file:
            text = file.read()
        head, _, rest = text.partition(BEGIN)
        _, found, tail = rest.partition(END)
        if not found:
            raise SystemExit(f"{path} lacks the marks between which the figures go")
        with open(path, "w") as file:
            file.write(f"{head}{BEGIN}\n\n{self.markdown()}\n{END}{tail}")
