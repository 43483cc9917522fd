import TestSupport
import Testing
import Wire

@testable import CLI

/// `berth cost policy` against a server that knows two VMs and where they would be cheaper.
@Suite struct CostPolicyTests {
  private static let plan =
    #"{"moves":[{"vm":{"tenant":"default","name":"a"},"from":"n1","to":"n2","victims":[],"saves_hourly_micros":20000,"#
    + #""why":"n2: the cheapest"},{"vm":{"tenant":"acme","name":"b"},"from":"n1","to":"n3","victims":[],"#
    + #""saves_hourly_micros":10000,"why":"n3: the cheapest"}],"move_count":2,"unplaced":0,"fitting":0,"#
    + #""saves_hourly_micros":30000,"notes":[]}"#
  private static let policy = #"{"max_moves":5,"exclude_labels":{"keep":"here"},"min_saving_hourly_micros":5000}"#

  private static func vm(_ name: String, _ state: String, _ node: String, labels: String = "{}") -> String {
    #"{"id":1,"name":"\#(name)","tenant":"default","state":"\#(state)","node":"\#(node)","epoch":2,"labels":\#(labels),"#
      + #""why":"no reason"}"#
  }

  /// A server on which a move takes two looks; `began` hears of each.
  private func server(
    labels: String = "{}", refuses: String? = nil, began: @escaping @Sendable (String) -> Void = { _ in }
  ) -> ScriptedServer {
    let looks = Shared<[String: Int]>([:])
    return ScriptedServer { seen in
      let parts = seen.path.split(separator: "/").map(String.init)
      if seen.path == "/api/v1/plan" { return .ok(Self.plan) }
      let name = parts[3]
      let to = name == "a" ? "n2" : "n3"
      if parts.last == "migrate" {
        if name == refuses { return .problem(409, "no_placement", "there is no room") }
        looks.withLock { $0[name] = 1 }
        began(name)
        return .ok(Self.vm(name, "migrating", to))
      }
      let count = looks.withLock { all -> Int in
        guard let count = all[name] else { return 0 }
        all[name] = count + 1
        return count
      }
      let state = count == 0 ? ("running", "n1") : count == 1 ? ("migrating", to) : ("running", to)
      return .ok(Self.vm(name, state.0, state.1, labels: name == "b" ? labels : "{}"))
    }
  }

  private func run(
    _ server: ScriptedServer, _ policy: String = policy, _ flags: String = "",
    now: @autoclosure @escaping @Sendable () -> Int64 = 0, presses: Int = .max
  ) -> (ran: Ran, seen: [Seen]) {
    var seen: [Seen] = []
    var around = Surroundings(files: ["p.json": policy])
    (around.now, around.looksUntilPressed) = (now, presses)
    let ran = withServer(server) { server in
      let ran = berth("cost policy p.json \(flags)", at: server, around: around)
      seen = server.seen
      return ran
    }
    return (ran, seen)
  }

  @Test func s3_75_aDryRunListsMovesAndSavingsAndAsksForNothingElse() throws {
    let (ran, seen) = run(server(), Self.policy, "--dry-run")
    #expect(ran.code == 0 && ran.out.contains("2 moves would save 0.03 an hour"), "\(ran)")
    #expect(ran.out.contains("n1") && ran.out.contains("n2") && ran.out.contains("0.02"))
    #expect(seen.map(\.path) == ["/api/v1/plan"])
    let asked = try JSONValue(parsing: Array(seen[0].body.utf8))["cheaper"]
    #expect(asked?["max_moves"]?.integer() == 5 && asked?["exclude_labels"]?["keep"]?.string == "here")
    #expect(asked?["min_saving_hourly_micros"]?.integer() == 5_000)
  }

  @Test func s3_75_movesAreMadeOneAfterTheOtherWithProgress() {
    let (ran, seen) = run(server())
    #expect(ran.code == 0, "\(ran)")
    #expect(ran.out == "1/2 a (default): n1 to n2\n2/2 b (acme): n1 to n3\n2 of 2 moved, which saves 0.03 an hour\n")
    let moves = seen.filter { $0.path.hasSuffix("migrate") }
    #expect(moves.map(\.body) == [#"{"node":"n2"}"#, #"{"node":"n3"}"#])
    // The second begins when the first has arrived.
    let order = seen.map(\.path)
    #expect(order.firstIndex(of: "/api/v1/vms/b")! > order.lastIndex(of: "/api/v1/vms/a")!)
  }

  @Test func s3_75_whatThePolicyExcludesByNowStaysAndARefusalIsNoEnd() {
    let (ran, seen) = run(server(labels: #"{"keep":"here"}"#))
    #expect(ran.code == 0 && ran.out.contains("2/2 b (acme): not moved: its label keep is excluded"), "\(ran)")
    #expect(!seen.contains { $0.path == "/api/v1/vms/b/migrate" } && ran.out.contains("1 of 2 moved"))
    let (there, _) = run(server(labels: #"{"keep":"there"}"#))
    #expect(there.out.contains("2 of 2 moved"), "another value is another label: \(there)")
    let (tenant, none) = run(server(), #"{"exclude_tenants":["default"]}"#)
    #expect(tenant.out.contains("1/2 a (default): not moved: its tenant is excluded"), "\(tenant)")
    #expect(!none.contains { $0.path.hasSuffix("migrate") } && tenant.out.contains("0 of 2 moved"))
    let (other, _) = run(server(refuses: "a"))
    #expect(other.out.contains("1/2 a (default): not moved: there is no room") && other.out.contains("1 of 2 moved"))
  }

  @Test func s3_75_afterCtrlCNoneIsBegun() {
    let (ran, seen) = run(server(), presses: 1)
    #expect(ran.code == 7 && ran.out.contains("still on its way"), "\(ran)")
    #expect(ran.out.hasSuffix("stopped; 1 of 2 moved, which saves 0.02 an hour\n"))
    #expect(!seen.contains { $0.path.hasPrefix("/api/v1/vms/b") })
    let (first, calls) = run(server(), presses: 0)
    #expect(first.code == 7 && !calls.contains { $0.path.hasSuffix("migrate") })
  }

  @Test func s3_75_itMovesInItsHoursAlone() {
    let night = #"{"off_peak":{"from":22,"until":6}}"#
    let (noon, seen) = run(server(), night, now: 12 * 3_600_000_000)
    #expect(noon.code == 1 && noon.err.contains("22:00 to 6:00 UTC") && seen.isEmpty, "\(noon)")
    #expect(run(server(), night, now: 23 * 3_600_000_000).ran.code == 0)
    #expect(run(server(), night, now: 5 * 3_600_000_000).ran.code == 0)
    #expect(run(server(), night, now: 6 * 3_600_000_000).ran.code == 1, "the hour after the last")
    #expect(run(server(), night, now: 22 * 3_600_000_000).ran.code == 0)
    let (dry, _) = run(server(), night, "--dry-run", now: 12 * 3_600_000_000)
    #expect(dry.code == 0 && dry.out.contains("not now"))
  }

  /// A move that has begun is waited for; the next one does not begin.
  @Test func s3_75_whenItsHoursEndMeanwhileTheRestStays() {
    let night = #"{"off_peak":{"from":22,"until":6}}"#
    let clock = Shared<Int64>(6 * 3_600_000_000 - 1)
    let (ran, seen) = run(server(began: { _ in clock.withLock { $0 += 1 } }), night, now: clock.withLock { $0 })
    #expect(ran.code == 7, "\(ran)")
    #expect(
      ran.out == "1/2 a (default): n1 to n2\nits hours are over; 1 of 2 moved, which saves 0.02 an hour\n", "\(ran)")
    #expect(!seen.contains { $0.path.hasPrefix("/api/v1/vms/b") })
  }

  @Test(
    arguments: [
      (#"{"max_move":1}"#, "max_move"), (#"{"max_moves":0}"#, "max_moves"), (#"{"max_moves":"1"}"#, "max_moves"),
      (#"{"max_moves":1,"max_moves":2}"#, "max_moves"), (#"{"off_peak":{"from":24,"until":1}}"#, "off_peak.from"),
      (#"{"off_peak":{"from":1}}"#, "until"), (#"{"exclude_tenants":"acme"}"#, "exclude_tenants"), ("[]", "p.json"),
      (#"{"max_moves":1} x"#, "p.json")
    ]) func aPolicyThatIsNotUnderstoodMovesNothing(policy: String, word: String)
  {
    let (ran, seen) = run(server(), policy)
    #expect(ran.code == 2 && ran.err.contains(word) && seen.isEmpty, "\(ran)")
  }

  @Test func aFileThatIsNotThereIsNamed() {
    let ran = berth("cost policy nowhere.json")
    #expect(ran.code == 2 && ran.err.contains("nowhere.json"))
  }
}

/// What the plans say.
@Suite struct PlanOutputTests {
  @Test func cheaperListsMovesWithWhatTheySave() {
    withServer(
      ScriptedServer(
        .ok(
          #"{"moves":[{"vm":{"tenant":"default","name":"a"},"from":"n1","to":"n2","victims":[],"#
            + #""saves_hourly_micros":20000,"why":"n2: the cheapest"}],"move_count":3,"unplaced":0,"fitting":0,"#
            + #""saves_hourly_micros":50000,"notes":["only the first 1000 VMs were looked at"]}"#))
    ) { server in
      let ran = berth("plan what-if cheaper --tenant acme", at: server)
      #expect(
        ran.out == """
          VM  TENANT   FROM  TO  SAVES/H  WHY
          a   default  n1    n2     0.02  n2: the cheapest
          3 moves would save 0.05 an hour
            only the first 1000 VMs were looked at

          """)
      #expect(ran.code == 0 && server.seen[0].body == #"{"cheaper":{"tenant":"acme"}}"#)
    }
  }

  @Test func addSaysWhoWouldRunAndWhoWouldStillWait() {
    withServer(
      ScriptedServer(
        .ok(
          #"{"moves":[{"vm":{"tenant":"default","name":"big"},"from":null,"to":"new-1","victims":[],"#
            + #""saves_hourly_micros":0,"why":"new-1: the fullest"},{"vm":{"tenant":"default","name":"huge"},"#
            + #""from":null,"to":null,"victims":[],"saves_hourly_micros":0,"why":"no node will do"}],"#
            + #""move_count":2,"unplaced":1,"fitting":0,"saves_hourly_micros":0,"notes":[]}"#))
    ) { server in
      let ran = berth("plan what-if add --count 10 --vcpus 64 --memory 256G --datacenter dc-1", at: server)
      #expect(ran.code == 7, "somebody would still wait")
      #expect(ran.out.contains("huge") && ran.out.contains("(waits)") && ran.out.contains("new-1"))
      #expect(ran.out.hasSuffix("1 of those that wait would run, 1 would still wait\n"), "\(ran.out)")
      #expect(
        server.seen[0].body
          == #"{"add":{"count":10,"capacity":{"vcpus":64,"memory_mib":262144},"topology":{"datacenter":"dc-1"}}}"#)
    }
  }
}

/// `berth vm migrate --wait`.
@Suite struct MigrateWaitTests {
  private func vm(_ state: String, _ node: String, leaving: String? = nil, epoch: Int) -> String {
    #"{"id":1,"name":"a","tenant":"default","state":"\#(state)","node":"\#(node)","epoch":\#(epoch),"#
      + #""leaving":\#(leaving.map { "\"\($0)\"" } ?? "null"),"addresses":[],"vcpus":1,"memory_mib":64,"priority":500,"#
      + #""why":"no room for its disk"}"#
  }

  private func migrate(_ answers: [String]) -> (Ran, [Seen]) {
    let left = Shared(answers)
    var seen: [Seen] = []
    let server = ScriptedServer { seen in .ok(left.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }) }
    let ran = withServer(server) { server in
      let ran = berth("vm migrate a --node n2 --wait --timeout 1s", at: server)
      seen = server.seen
      return ran
    }
    return (ran, seen)
  }

  @Test func itWaitsUntilTheVMRunsThere() {
    let (ran, seen) = migrate([
      vm("migrating", "n2", leaving: "n1", epoch: 2), vm("migrating", "n2", leaving: "n1", epoch: 2),
      vm("running", "n2", epoch: 2)
    ])
    #expect(ran.code == 0 && ran.out.contains("running") && ran.out.contains("n2"), "\(ran)")
    #expect(seen.map(\.method) == ["POST", "GET", "GET"] && seen[0].body == #"{"node":"n2"}"#)
  }

  @Test func itSaysWhenTheVMCameBackToWhereItWas() {
    let (ran, _) = migrate([
      vm("migrating", "n2", leaving: "n1", epoch: 2), vm("running", "n1", epoch: 3)
    ])
    #expect(ran.code == 1 && ran.err.contains("did not move") && ran.err.contains("no room for its disk"), "\(ran)")
  }

  @Test func itDoesNotWaitForEver() {
    let (ran, _) = migrate([vm("migrating", "n2", leaving: "n1", epoch: 2)])
    #expect(ran.code == 1 && ran.err.contains("still migrating after 1s"), "\(ran)")
  }
}
