import TestSupport
import Testing
import Wire

@testable import CLI

private let web =
  #"{"id":2048,"name":"web-1","tenant":"default","state":"running","wanted":true,"ending":false,"node":"sim-3","#
  + #""leaving":null,"epoch":1,"addresses":[{"interface":"eth0","ip":"10.1.0.9","pool":"edge"}],"#
  + #""hourly_price_micros":42500,"vcpus":2,"memory_mib":4096,"priority":500,"#
  + #""why":"4 nodes would do; sim-3 is the fullest of them"}"#

@Suite struct FleetCommandTests {
  private func body(_ line: String) throws -> JSONValue {
    var seen: [Seen] = []
    let ran = withServer(ScriptedServer(.answer(201, web))) { server in
      let ran = berth(line, at: server)
      seen = server.seen
      return ran
    }
    #expect(ran.code == 0, "\(ran.err)")
    return try JSONValue(parsing: Array(seen[0].body.utf8))
  }

  @Test func theCommandOfTheFirstPageMakesTheVMThatItSays() throws {
    withServer(ScriptedServer(.answer(201, web))) { server in
      let ran = berth("vm create web-1 --vcpus 2 --memory 4G --ip-pool edge --ip 10.1.0.9", at: server)
      #expect(ran.code == 0)
      #expect(
        ran.out == """
          NAME   STATE    NODE   ADDRESSES  VCPUS  MEMORY  PRIORITY  TENANT   PRICE/H
          web-1  running  sim-3  10.1.0.9       2      4G       500  default   0.0425

          """)
      #expect(server.seen[0].method == "POST" && server.seen[0].target == "/api/v1/vms")
      #expect(
        server.seen[0].body
          == #"{"name":"web-1","vcpus":2,"memory_mib":4096,"#
          + #""interfaces":[{"name":"eth0","pool":"edge","ip":"10.1.0.9"}]}"#)
    }
  }

  @Test func quantitiesAreWrittenAsPeopleWriteThem() throws {
    let asked = try body(
      "vm create a --vcpus 0.5 --memory 512M --disk 1.5T --bandwidth 2.5G --grace 1m30s --budget 0.25 --max-latency 5ms"
    )
    #expect(asked["vcpus"]?.numberText == "0.5")
    #expect(asked["memory_mib"]?.integer() == 512)
    #expect(asked["disk_mib"]?.integer() == 1_572_864)
    #expect(asked["bandwidth_mbps"]?.integer() == 2_500)
    #expect(asked["grace_seconds"]?.integer() == 90)
    #expect(asked["budget_hourly_micros"]?.integer() == 250_000)
    #expect(asked["locality"]?["max_latency_us"]?.integer() == 5_000)
    #expect(Amounts.vcpus("500m") == 500 && Amounts.vcpus("1.2345") == nil)
    #expect(Amounts.mebibytes("4") == nil && Amounts.mebibytes("0.1M") == nil && Amounts.mebibytes("1GiB") == 1_024)
    #expect(Amounts.text(mebibytes: 1_536) == "1.5G" && Amounts.text(mebibytes: 100) == "100M")
    #expect(Amounts.text(millionths: -1_500_000) == "-1.5" && Amounts.text(millionths: 1) == "0.000001")
  }

  @Test(
    arguments: [
      ("--memory 4", "4G or 512M"), ("--vcpus two --memory 1G", "0.5"), ("--memory 1G", "add --vcpus"),
      ("--vcpus 1 --memory 1G --ip 10.0.0.1", "add --ip-pool"),
      ("--vcpus 1 --memory 1G --no-network --ip-pool a", "contradict"),
      ("--vcpus 1 --memory 1G --ip-pool a --ip 10.0.0.1 --ip 10.0.0.2", "more addresses than interfaces"),
      ("--vcpus 1 --memory 1G --affinity db:rack:much", "GROUP[:SCOPE[:WEIGHT]]"),
      ("--vcpus 1 --memory 1G --spread-of db", "GROUP:SCOPE:N")
    ]) func whatIsTypedWronglySaysWhatIsRight(words: String, help: String)
  {
    let flags = words.contains("--vcpus") || words == "--memory 1G" ? words : "--vcpus 1 " + words
    let ran = berth("vm create a \(flags)")
    #expect(ran.code == 2 && ran.err.contains(help), "\(ran.err)")
  }

  @Test func wishesOfPlaceAndCompanyAreSaid() throws {
    let asked = try body(
      "vm create a --vcpus 1 --memory 1G --group db --group web --affinity cache:rack:100 --anti-affinity db:zone "
        + "--spread-of db:rack:3 --datacenter dc-1 --enforce --exclude dc-2 --device a100:2 --custom licence:foo=1 "
        + "--node-label disk=ssd --failover restart --preemptible --stopped --must-place")
    let expected =
      #"{"name":"a","vcpus":1,"memory_mib":1024,"failover":"restart","preemptible":true,"groups":["db","web"],"#
      + #""affinity":[{"group":"cache","scope":"rack","weight":100}],"anti_affinity":[{"group":"db","scope":"zone"}],"#
      + #""locality":{"datacenter":"dc-1","enforced":true,"excluded":["dc-2"],"spread":{"group":"db","scope":"rack","#
      + #""least":3}},"devices":[{"model":"a100","count":2}],"custom":{"licence:foo":1},"node_labels":{"disk":"ssd"},"#
      + #""start":false,"must_place":true}"#
    #expect(String(decoding: asked.encoded(), as: UTF8.self) == expected)
  }

  @Test func waitingShowsAPersonWhatHappensAndAScriptNothing() {
    func states() -> ScriptedServer {
      func vm(_ state: String, _ node: String) -> Scripted {
        .ok(#"{"name":"web-1","tenant":"default","state":"\#(state)","node":\#(node),"epoch":1,"vcpus":2,"why":"w"}"#)
      }
      return ScriptedServer(
        vm("pending", "null"), vm("pending", "null"), vm("placed", #""sim-3""#), vm("placed", #""sim-3""#),
        vm("running", #""sim-3""#))
    }
    let line = "vm create web-1 --vcpus 2 --memory 4G --wait"
    withServer(states()) { server in
      let ran = berth(line, at: server, around: Surroundings(isTerminal: true))
      #expect(ran.code == 0)
      #expect(ran.err == "web-1: pending\nweb-1: placed on sim-3\nweb-1: running on sim-3\n")
      #expect(ran.out.contains("running"))
      #expect(server.seen.last?.target == "/api/v1/vms/web-1?tenant=default")
    }
    withServer(states()) { server in #expect(berth(line, at: server).err.isEmpty) }
  }

  @Test func waitingEndsWithWhyItIsNotSo() {
    let pending = #"{"name":"web-1","state":"pending","node":null,"why":"no node has 2 vCPUs left"}"#
    withServer(ScriptedServer { _ in .ok(pending) }) { server in
      let ran = berth("vm create web-1 --vcpus 2 --memory 4G --wait --timeout 1s", at: server)
      #expect(
        ran.code == 1 && ran.err.contains("still pending after 1s") && ran.err.contains("no node has 2 vCPUs left"))
      #expect(server.seen.count == 7)
    }
  }

  @Test func aListSaysInShortWhyOneWaits() {
    let huge =
      #"{"name":"huge","state":"pending","node":null,"why":"no node will do\n  6 are smaller","memory_mib":58982}"#
    withServer(ScriptedServer { _ in .ok(#"{"items":[\#(huge)],"next_cursor":null}"#) }) { server in
      #expect(
        berth("vm list", at: server).out == "NAME  STATE    MEMORY  WHY\nhuge  pending   57.6G  no node will do\n")
    }
  }

  @Test func whyIsReadable() {
    let why = #"{"name":"web-1","state":"running","node":"sim-3","why":"8 nodes; 4 too full\n  sim-3 is the fullest"}"#
    withServer(ScriptedServer { _ in .ok(why) }) { server in
      #expect(
        berth("vm why web-1", at: server).out == """
          web-1 is running on sim-3
            8 nodes
            4 too full
            sim-3 is the fullest

          """)
      #expect(berth("vm why web-1 -o json", at: server).out == why + "\n")
      let shown = berth("vm show web-1", at: server).out
      #expect(shown.contains("8 nodes; 4 too full; sim-3 is the fullest\n"), "\(shown)")
      #expect(server.seen[0].target == "/api/v1/vms/web-1/why")
    }
  }

  @Test(
    arguments: [
      "vm delete web-1", "node fence host-1", "node delete host-1", "tenant quota clear acme", "capacity release x"
    ]) func whatDestroysAsksFirst(line: String)
  {
    withServer(ScriptedServer { _ in .ok("{}") }) { server in
      let ran = berth(line, at: server)
      #expect(ran.code == 2 && ran.err.contains("add --yes") && server.seen.isEmpty, "\(ran.err)")
      #expect(berth(line + " --yes", at: server).code == 0)
      #expect(server.seen.count == 1)
    }
  }

  @Test func deletingWaitsUntilItIsGone() {
    let stopping = #"{"name":"web-1","tenant":"default","state":"stopping","node":"sim-3","ending":true}"#
    withServer(
      ScriptedServer(.answer(202, stopping), .ok(stopping), .problem(404, "vm_not_found", "There is no VM web-1."))
    ) { server in
      let ran = berth(
        "vm delete web-1 --yes --wait", at: server, around: Surroundings(isTerminal: true))
      #expect(ran.code == 0)
      #expect(ran.err == "web-1: stopping on sim-3\nweb-1: gone\n", "\(ran.err)")
    }
  }

  @Test func nodesAndTheirLoadFitEightyColumns() {
    let node =
      #"{"name":"sim-1","state":"ready","epoch":1,"effective":{"vcpus":64,"memory_mib":262144},"#
      + #""topology":{"datacenter":"dc-1","zone":"a","rack":"r1"},"backends":["simulated"],"#
      + #""allocated":{"vcpus":2.5,"memory_mib":4608},"vms":3,"health":{"last_heartbeat_seconds":1,"usage":null}}"#
    withServer(ScriptedServer { _ in .ok(#"{"items":[\#(node)],"next_cursor":null}"#) }) { server in
      let ran = berth("node list", at: server, around: Surroundings(width: 80))
      #expect(
        ran.out == """
          NAME   STATE  DATACENTER  ZONE  RACK  VMS   VCPUS     MEMORY    HEARD  EPOCH
          sim-1  ready  dc-1        a     r1      3  2.5/64  4.5G/256G  1 s ago      1

          """, "\(ran.out)")
      #expect(ran.err == "no room for BACKENDS: -o yaml shows everything\n")
      #expect(berth("node list -o name", at: server).out == "sim-1\n")
    }
  }

  @Test func s3_12_howFarDatacentersAreIsATable() {
    let item = #"{"from":"ams","to":"fra","microseconds":3250,"reporters":4,"age_seconds":12}"#
    withServer(ScriptedServer { _ in .ok(#"{"items":[\#(item)]}"#) }) { server in
      let ran = berth("node latency", at: server)
      #expect(server.seen[0].path == "/api/v1/latencies")
      #expect(
        ran.out == """
          FROM  TO   LATENCY  NODES     HEARD
          ams   fra  3.25 ms      4  12 s ago

          """, "\(ran.out)")
    }
  }

  @Test func registeringANodeSaysWhatItHas() {
    withServer(ScriptedServer { _ in .answer(201, #"{"name":"host-1"}"#) }) { server in
      _ = berth(
        "node register host-1 --vcpus 64 --memory 256G --disk 4T --datacenter dc-1 --rack r1 --price-vcpu 0.02 "
          + "--device 0000:3b:00.0=a100 --reclaimable", at: server)
      #expect(server.seen[0].method == "PUT" && server.seen[0].path == "/api/v1/nodes/host-1")
      #expect(
        server.seen[0].body
          == #"{"capacity":{"vcpus":64,"memory_mib":262144,"disk_mib":4194304},"#
          + #""devices":[{"id":"0000:3b:00.0","model":"a100"}],"topology":{"datacenter":"dc-1","rack":"r1"},"#
          + #""spot":true,"prices":{"off_peak":{"vcpu_micros":20000}}}"#, "\(server.seen[0].body)")
    }
  }

  @Test func quotasAreSetInPeoplesUnits() {
    withServer(ScriptedServer { _ in .ok(#"{"tenant":"acme"}"#) }) { server in
      let line = "tenant quota set acme --vms 20 --vcpus 64 --memory 256G --monthly 1000 --burst 10 --burst-for 1h"
      #expect(berth(line, at: server).code == 0)
      #expect(server.seen[0].method == "PUT" && server.seen[0].path == "/api/v1/tenants/acme/quota")
      #expect(
        server.seen[0].body
          == #"{"limits":{"vms":20,"vcpus":64,"memory_mib":262144,"monthly_micros":1000000000},"#
          + #""burst_percent":10,"burst_seconds":3600}"#, "\(server.seen[0].body)")
      #expect(berth("tenant quota set acme", at: server).code == 2)
      #expect(berth("tenant quota sow acme", at: server).err.contains("show, set and clear"))
    }
  }

  @Test func aPlanListsMovesAndEndsWithSevenWhenSomebodyFindsNoPlace() {
    let plan =
      #"{"moves":[{"vm":{"tenant":"default","name":"web-1"},"from":"sim-1","to":"sim-2","victims":[],"#
      + #""saves_hourly_micros":0,"why":""},{"vm":{"tenant":"default","name":"db"},"from":"sim-1","to":null,"#
      + #""victims":[],"saves_hourly_micros":0,"why":"too large"}],"move_count":2,"unplaced":1,"fitting":0,"#
      + #""saves_hourly_micros":0,"notes":["nothing was changed"]}"#
    withServer(ScriptedServer { _ in .ok(plan) }) { server in
      let ran = berth("plan what-if drain sim-1", at: server)
      #expect(ran.code == 7)
      #expect(
        ran.out == """
          VM     TENANT   FROM   TO       SAVES/H  WHY
          web-1  default  sim-1  sim-2          0
          db     default  sim-1  (waits)        0  too large
          1 VMs would move, 1 would find no place
            nothing was changed

          """, "\(ran.out)")
      #expect(server.seen[0].body == #"{"drain":"sim-1"}"#)
      _ = berth("plan what-if add --count 10 --vcpus 64 --memory 256G --datacenter dc-1 --rack r9", at: server)
      #expect(
        server.seen[1].body
          == #"{"add":{"count":10,"capacity":{"vcpus":64,"memory_mib":262144},"#
          + #""topology":{"datacenter":"dc-1","rack":"r9"}}}"#)
      #expect(berth("plan what-if loose dc-1", at: server).code == 2)
      #expect(berth("plan what-if lose", at: server).err.contains("which datacenter?"))
    }
  }

  @Test func costsAreAddedUpInHoursAndMoney() {
    let cost =
      #"{"from":"a","to":"b","by":"tenant","total_micros":1250000,"items":[{"tenant":"acme","vcpu_seconds":5400.5,"#
      + #""memory_mib_seconds":7372800,"micros":1250000}],"next_cursor":null}"#
    withServer(ScriptedServer { _ in .ok(cost) }) { server in
      let ran = berth("cost report", at: server)
      #expect(ran.out == "TENANT  VCPU HOURS  GIB HOURS  COST\nacme           1.5          2  1.25\n", "\(ran.out)")
      #expect(ran.err == "total: 1.25\n")
    }
  }

  @Test func anAgentIsToldItsNodesAndWhereTheyStand() {
    let told = Shared<AgentOptions?>(nil)
    var handlers = testHandlers
    handlers.agent = { options, _ in
      told.withLock { $0 = options }
      return 0
    }
    let words =
      "agent --nodes 5 --prefix lab --first 11 --datacenters 2 --zones 2 --vcpus 64 --memory 256G "
      + "--failure-rate 0.1 --seed 7 --server 127.0.0.1:1"
    #expect(berth(words.split(separator: " ").map(String.init), handlers: handlers).code == 0)
    let options = told.withLock { $0! }
    #expect(options.nodes.map(\.name) == ["lab-11", "lab-12", "lab-13", "lab-14", "lab-15"])
    #expect(options.nodes.map { $0.datacenter! } == ["dc-1", "dc-2", "dc-1", "dc-2", "dc-1"])
    #expect(options.nodes.map { $0.zone! } == ["a", "a", "b", "b", "a"])
    #expect(options.cpu == 64_000 && options.memory == 262_144 && options.startFailures == 100_000)
    for (line, help) in [
      ("agent", "for which nodes?"), ("agent --node a --nodes 3", "for which nodes?"),
      ("agent --node a --backend qemu", "there is simulated"), ("agent --node a --crash-rate 2", "a part from 0 to 1")
    ] {
      let ran = berth(line)
      #expect(ran.code == 2 && ran.err.contains(help), "\(ran.err)")
    }
  }
}
