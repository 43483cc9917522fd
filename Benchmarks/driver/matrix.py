"""The matrix: every server at 1, 16, 64 and 256 connections, read and write, interleaved in rounds.

Within a round each cell visits all servers one after another, in an order that turns from cell to cell, so that a
slow minute of the machine falls on all of them. A ratio is taken inside a round; the table shows medians.
"""
import statistics

from .process import Skipped

CONNECTIONS = (1, 16, 64, 256)
POSTGRES_CONNECTIONS = (1, 16, 64)
OPERATIONS = ("GET", "POST")


class Matrix:
    def __init__(self, setting, postgres):
        self.setting, self.postgres = setting, postgres
        self.cells = {}  # (server, operation, connections) -> one result per round, None where it failed
        self.commits = []  # (sqlite on disk, file on disk) per round
        self.names = []
        self.dropped = set()

    def run(self):
        makers = self._makers()
        for number in range(self.setting.rounds):
            print(f"matrix: round {number + 1} of {self.setting.rounds}", flush=True)
            servers = self._start(makers)
            try:
                self._round(servers)
            finally:
                for server in servers.values():
                    server.stop()
            self._commit()

    def _makers(self):
        s = self.setting
        makers = {"echo": s.start_echo}
        for workers in ((1,) if s.quick else (1, 2)):
            makers[f"rust, {workers} worker" + "s" * (workers > 1)] = lambda w=workers: s.start_rust(w)
        makers["berth, disk"] = lambda: s.start_berth(s.disk)
        if s.memory:
            makers["berth, tmpfs"] = lambda: s.start_berth(s.memory)
        else:
            s.skip("berth on tmpfs", "/dev/shm is no writable tmpfs")
        return makers

    def _start(self, makers):
        servers = {}
        for name, make in makers.items():
            if name in self.dropped:
                continue
            try:
                servers[name] = make()
                self.setting.populate(servers[name])
            except Skipped as reason:
                if name in servers:
                    servers.pop(name).stop()
                self._drop(name, reason)
        self.names = [n for n in makers if n not in self.dropped]
        return servers

    def _drop(self, name, reason):
        self.dropped.add(name)
        self.setting.skip(name, reason)

    def _round(self, servers):
        turn = 0
        for operation in OPERATIONS:
            for connections in CONNECTIONS:
                names = list(servers)
                turn += 1
                shift = turn % max(1, len(names))
                for name in names[shift:] + names[:shift]:
                    self._cell(name, servers[name], operation, connections)
                if operation == "POST" and connections in POSTGRES_CONNECTIONS:
                    self._postgres_cell(connections)

    def _cell(self, name, server, operation, connections):
        run = self.setting.get if operation == "GET" else self.setting.allocate
        try:
            result = run(server, connections=connections, seconds=self.setting.seconds, warmup=self.setting.warmup)
        except Skipped as reason:
            self.setting.skip(f"{name}, {operation} at {connections}", reason)
            result = None
        self.cells.setdefault((name, operation, connections), []).append(result)

    def _postgres_cell(self, connections):
        if not self.postgres:
            return
        try:
            result = self.postgres.allocate(connections, self.setting.seconds)
        except Exception as reason:  # whatever PostgreSQL does must not end the run
            self.setting.skip("postgres", reason)
            self.postgres = None
            return
        self.cells.setdefault(("postgres", "POST", connections), []).append(result)

    def _commit(self):
        try:
            self.commits.append(tuple(self.setting.commit(self.setting.disk, e) for e in ("sqlite", "file")))
        except Skipped as reason:
            self.setting.skip("commit", reason)

    # Reading the results

    def value(self, name, operation, connections, key):
        """The median over the rounds, None when there is none."""
        values = [r[key] for r in self.cells.get((name, operation, connections), []) if r and r[key] is not None]
        return statistics.median(values) if values else None

    def ratio(self, name, other, operation, connections, key):
        """The median of the ratios inside the rounds."""
        pairs = zip(self.cells.get((name, operation, connections), []),
                    self.cells.get((other, operation, connections), []))
        ratios = [a[key] / b[key] for a, b in pairs if a and b and a[key] and b[key]]
        return statistics.median(ratios) if ratios else None

    def commit_value(self, index, key):
        return statistics.median(c[index][key] for c in self.commits) if self.commits else None

    def rows(self):
        for operation in OPERATIONS:
            for connections in CONNECTIONS:
                for name in [*self.names, "postgres"]:
                    if self.value(name, operation, connections, "per_second") is not None:
                        yield operation, connections, name
