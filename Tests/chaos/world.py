"""Three members of etcd and three nodes of Berth in network namespaces on one bridge."""
import base64
import datetime
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request


# The disk of a node, and the room of a member of etcd: small enough to be filled.
NODE_MEGABYTES = 512
ETCD_BYTES = 192 << 20
FLEET_NODES = 12
# What tells of a change of leaders in the logs of a node and of a member of etcd.
TELLING = ("leads", "became leader", "lost leader", "is starting a new election", "serves", "revoke lease")


class Unable(Exception):
    """Why this machine cannot do it."""


def run(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Member:
    """A process in a namespace of its own."""

    def __init__(self, world, name, number, port):
        self.world, self.name, self.port = world, name, port
        self.address = f"{world.net}.{number}"
        self.namespace = f"{world.bridge}-{name}"
        self.data = os.path.join(world.place, name)
        self.process = None
        self.log = open(os.path.join(world.place, name + ".log"), "ab")
        self.mark = 0

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    def connect(self):
        """A namespace with one leg on the bridge."""
        inside, outside = "eth0", f"{self.world.bridge}{self.name}"
        run("ip", "netns", "add", self.namespace)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.namespace)
        run("ip", "link", "set", outside, "master", self.world.bridge, "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "addr", "add", f"{self.address}/24", "dev", inside)
        self.inside("ip", "link", "set", inside, "up")
        self.inside("nft", "add", "table", "inet", "chaos")
        for hook in ("input", "output"):
            self.inside("nft", f"add chain inet chaos {hook} {{ type filter hook {hook} priority 0; policy accept; }}")

    def inside(self, *words):
        run("ip", "netns", "exec", self.namespace, *words)

    def rules(self, hook, rule):
        # The loopback of the namespace stays: a process may talk to itself.
        side = "oifname" if hook == "output" else "iifname"
        self.inside("nft", f"add rule inet chaos {hook} {side} eth0 {rule}")

    def heal(self):
        for hook in ("input", "output"):
            self.inside("nft", "flush", "chain", "inet", "chaos", hook)

    def start(self):
        words = ["ip", "netns", "exec", self.namespace] + self.command()
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Etcd(Member):
    def command(self):
        peers = ",".join(f"{other.name}=http://{other.address}:2380" for other in self.world.etcds)
        return [
            self.world.etcd, "--name", self.name, "--data-dir", self.data, "--listen-client-urls", self.url,
            "--advertise-client-urls", self.url, "--listen-peer-urls", f"http://{self.address}:2380",
            "--initial-advertise-peer-urls", f"http://{self.address}:2380", "--initial-cluster", peers,
            "--initial-cluster-token", self.world.bridge, "--initial-cluster-state", "new",
            "--election-timeout", "500", "--heartbeat-interval", "50", "--pre-vote", "--logger", "zap",
            "--log-level", "info", "--quota-backend-bytes", str(ETCD_BYTES),
        ]

    def call(self, path, body, seconds=10):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)

    def status(self):
        request = urllib.request.Request(self.url + "/v3/maintenance/status", b"{}", method="POST")
        with urllib.request.urlopen(request, timeout=1) as answer:
            return json.load(answer)


class Node(Member):
    def __init__(self, world, name, number, port):
        super().__init__(world, name, number, port)
        self.binary = world.binary

    def command(self):
        return [
            self.binary, "serve", "--listen", f"{self.address}:{self.port}", "--insecure", "--node", self.name,
            "--etcd", ",".join(etcd.url for etcd in self.world.etcds), "--data-dir", self.data, "--network", "172.16.0",
        ]

    def connect(self):
        """Its data is on a small disk of its own."""
        super().connect()
        os.makedirs(self.data, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={NODE_MEGABYTES}m", "tmpfs", self.data)

    @property
    def filler(self):
        return os.path.join(self.data, "filler")

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def make_room(self):
        os.remove(self.filler)

    def keep(self):
        """What the small disk holds, on the large one; the small one goes."""
        if os.path.ismount(self.data):
            shutil.copytree(self.data, self.data + "-kept", dirs_exist_ok=True)
            subprocess.run(["umount", "-l", self.data], capture_output=True)

    def health(self):
        with urllib.request.urlopen(self.url + "/api/v1/health", timeout=1) as answer:
            return json.load(answer)


class Agents(Member):
    """Simulated nodes that all nodes of Berth are told of, beside the bridge: no fault meets them."""

    def connect(self):
        pass

    def start(self):
        words = [self.world.binary, "agent", "--server", ",".join(node.url for node in self.world.nodes)]
        words += ["--nodes", str(FLEET_NODES), "--datacenters", "3", "--start-delay", "100ms"]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)


class World:
    def __init__(self, binary, place):
        if os.geteuid() != 0:
            raise Unable("network namespaces need root")
        self.etcd = shutil.which("etcd")
        if self.etcd is None:
            raise Unable("there is no etcd (Debian: etcd-server)")
        for tool in ("ip", "nft", "mount"):
            if shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
                raise Unable(f"there is no {tool} (Debian: iproute2, nftables)")
        if not os.access(binary, os.X_OK):
            raise Unable(f"there is no {binary}: make build")
        self.binary, self.place = binary, place
        number = os.getpid() % 200 + 20
        self.bridge, self.net = f"bc{number}", f"10.77.{number}"
        self.etcds = [Etcd(self, f"e{index}", 10 + index, 2379) for index in (1, 2, 3)]
        self.nodes = [Node(self, f"n{index}", 20 + index, 8080) for index in (1, 2, 3)]
        self.members = self.etcds + self.nodes
        self.agents = Agents(self, "agents", 1, 0)
        try:
            run("ip", "netns", "add", self.bridge + "-try")
            run("ip", "netns", "del", self.bridge + "-try")
        except subprocess.CalledProcessError as error:
            raise Unable(f"no network namespaces here: {error.stderr.decode().strip()}") from error

    def start(self):
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.net}.1/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for member in self.members:
            member.connect()
        for etcd in self.etcds:
            etcd.start()
        self.wait("etcd", lambda: self.etcd_leader() is not None)
        for node in self.nodes:
            node.start()
        self.wait("Berth", lambda: all(self.role(node) for node in self.nodes) and self.leader() is not None)
        self.agents.start()
        self.wait("the fleet", lambda: len(self.listed("nodes?state=ready&")) == FLEET_NODES)

    def listed(self, what):
        """All items of a list of the API; none while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.nodes[0].url}/api/v1/{what}limit=1000", timeout=2) as answer:
                return json.load(answer)["items"]
        except (OSError, ValueError, KeyError):
            return []

    def wait(self, what, condition, seconds=40):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{what} did not come up: see {self.place}")

    def role(self, node):
        try:
            return node.health()["cluster"]["role"]
        except (OSError, ValueError, KeyError):
            return None

    def leader(self):
        """The node that says that it leads, waiting for one."""
        for _ in range(100):
            for node in self.nodes:
                if self.role(node) == "leader":
                    return node
            time.sleep(0.1)
        return None

    def etcd_leader(self):
        for _ in range(100):
            for etcd in self.etcds:
                try:
                    status = etcd.status()
                    if status.get("leader") == status["header"]["member_id"]:
                        return etcd
                except (OSError, ValueError, KeyError):
                    continue
            time.sleep(0.1)
        return None

    # No room in etcd, and room again as docs/cluster.md says.

    def fill_etcd(self):
        junk = base64.b64encode(bytes(1 << 20)).decode()
        for number in range(4 * ETCD_BYTES >> 20):
            key = base64.b64encode(f"/junk/{number}".encode()).decode()
            try:
                self.etcds[number % 3].call("/v3/kv/put", {"key": key, "value": junk})
            except urllib.error.HTTPError as error:
                if b"space exceeded" in error.read():
                    return
                time.sleep(0.1)
        raise RuntimeError("etcd does not get full")

    def make_room(self):
        leader = self.etcd_leader()
        ends = {"key": base64.b64encode(b"/junk/").decode(), "range_end": base64.b64encode(b"/junk0").decode()}
        revision = leader.call("/v3/kv/deleterange", ends)["header"]["revision"]
        leader.call("/v3/kv/compaction", {"revision": revision, "physical": True}, 60)
        for etcd in [etcd for etcd in self.etcds if etcd is not leader] + [leader]:
            etcd.call("/v3/maintenance/defragment", {}, 60)
        for alarm in leader.call("/v3/maintenance/alarm", {"action": "GET"}).get("alarms", []):
            leader.call("/v3/maintenance/alarm", {"action": "DEACTIVATE", **alarm})

    # What the processes said.

    def mark_logs(self):
        for member in self.members:
            member.mark = os.path.getsize(member.log.name)

    def timeline(self, since):
        found = []
        for member in self.members:
            with open(member.log.name, errors="replace") as file:
                file.seek(member.mark)
                for line in file:
                    at, text = line.split(" ", 1) if line[:2] == "20" else ("", line)
                    if line.startswith("{"):
                        entry = json.loads(line)
                        at, text = entry["ts"], entry["msg"]
                    if at and any(word in text for word in TELLING):
                        when = datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
                        found.append((round(when - since, 2), member.name, text.strip()[:120]))
        return sorted(found)

    def etcd_version(self):
        line = subprocess.run([self.etcd, "--version"], capture_output=True, text=True).stdout.splitlines()
        return line[0].split()[-1] if line else ""

    def stop_nodes(self):
        for node in self.nodes:
            node.stop()

    def stop(self):
        self.agents.stop()
        for member in reversed(self.members):
            member.stop()
            subprocess.run(["ip", "netns", "del", member.namespace], capture_output=True)
        for node in self.nodes:
            node.keep()
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)
