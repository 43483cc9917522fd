import Advisers
import Domain
import HTTPClient
import HTTPServer
import Platform
import Telemetry
import TestSupport
import Testing
import Wire

/// A scheduler outside: a server of its own that answers as it is told.
private final class Outside: Sendable {
  let server: Server
  let asked = Collected<JSONValue>()

  /// `answer` gets the question; nil = it never answers.
  init(_ answer: @escaping @Sendable (JSONValue) -> String?) throws {
    let asked = asked
    let route = Route(.post, "/ask", bodyLimit: 1 << 20) { request, reply in
      let question = (try? JSONValue(parsing: request.body)) ?? .null
      asked.add(question)
      guard let text = answer(question) else { return }
      reply.send(Response(status: 200, contentType: "application/json", headers: [], body: Array(text.utf8)))
    }
    server = try Server(ServerOptions(), Router([route]))
    server.start()
  }

  deinit { server.drain() }

  func options(_ name: String, _ change: (inout SchedulerOptions) -> Void = { _ in }) -> SchedulerOptions {
    var options = SchedulerOptions(name, .tcp(host: "127.0.0.1", port: server.port), path: "/ask")
    options.timeout = .seconds(5)
    change(&options)
    return options
  }
}

/// Which nodes a scheduler refuses; changed while it runs.
// Unchecked because `lock` guards `nodes`.
private final class Refusals: @unchecked Sendable {
  private let lock = Lock()
  private var nodes: Set<String>

  init(_ nodes: Set<String>) { self.nodes = nodes }

  func set(_ nodes: Set<String>) { lock.withLock { self.nodes = nodes } }

  /// Refuses those of them that it is asked about.
  func answer(_ question: JSONValue) -> String {
    let names = (question["nodes"]?.elements ?? []).compactMap { $0["name"]?.string }
    let refused = lock.withLock { names.filter(nodes.contains) }
    return #"{"vetoes":[\#(refused.map { #"{"node":"\#($0)","reason":"no licence"}"# }.joined(separator: ","))]}"#
  }
}

@Suite("Schedulers outside") struct AdvisedTests {
  @Test func s3_59_aVetoOfASchedulerOutsideChangesWhereAVMGoesAndIsNamed() throws {
    let outside = try Outside(Refusals(["n1"]).answer)
    let house = try House(schedulers: [outside.options("licence")])
    for name in ["n1", "n2"] { try house.register(name) }
    let vm = try house.vm("web")
    #expect(vm["node"] == "n2", "without it the first of equal nodes is taken")
    #expect(
      try house.get("/api/v1/vms/web/why")["why"]?.contains(
        "scheduler licence: refuses 1 of 2 nodes (n1: no licence)") == true)
    // What it was asked: the VM, the nodes, as of a revision.
    let question = try #require(outside.asked.all.first)
    #expect(question["version"]?.integer() == 1 && question["vm"]?["name"]?.string == "web")
    #expect(question["nodes"]?.elements?.count == 2 && question["nodes_total"]?.integer() == 2)
    #expect(question["nodes"]?[0]?["effective"]?["vcpus"]?.numberText == "14.4")
    #expect((question["revision"]?.integer(Int.self) ?? 0) >= 2)
    let metrics = try house.get("/metrics").text
    #expect(metrics.contains(#"berth_scheduler_requests_total{scheduler="licence",result="answered"} 1"#))
  }

  @Test func s3_59_aScoreChangesWhereAVMGoes() throws {
    let outside = try Outside { _ in #"{"scores":[{"node":"n1","score":10},{"node":"n2","score":60}]}"# }
    let house = try House(schedulers: [outside.options("taste") { $0.filters = false }])
    for name in ["n1", "n2"] { try house.register(name) }
    let vm = try house.vm("web")
    #expect(vm["node"] == "n2" && vm["why"]?.contains("scheduler taste: likes n2 best (60)") == true)
    // A hint is no order: a hard rule is checked again where it is decided.
    try house.post("/api/v1/nodes/n2/cordon", expect: 200)
    let db = try house.vm("db")
    #expect(db["node"] == "n1" && db["why"]?.contains("scheduler taste: left out") == true, "it was not asked about n2")
  }

  @Test func s3_59_aSlowOneAndOneThatAnswersRubbishAreLeftOutAndNamed() throws {
    let slow = try Outside { _ in nil }
    let rubbish = try Outside { _ in #"{"vetoes":[{"node":"n1"},{"node":"elsewhere"}]}"# }
    let gone = SchedulerOptions("gone", .tcp(host: "127.0.0.1", port: freePort()))
    let taste = try Outside { _ in #"{"scores":[{"node":"n2","score":60}]}"# }
    let house = try House(schedulers: [
      slow.options("slow") { $0.timeout = .milliseconds(50) }, rubbish.options("rubbish"), gone, taste.options("taste")
    ])
    for name in ["n1", "n2"] { try house.register(name) }
    let vm = try house.vm("web")
    #expect(vm["node"] == "n2", "those that answer are heard")
    let why = vm["why"] ?? ""
    #expect(why.contains("scheduler slow: left out: no answer within 50 ms"), "\(why)")
    #expect(why.contains("scheduler rubbish: left out: its answer is not understood"), "\(why)")
    #expect(why.contains("must be a node that was asked about"), "\(why)")
    #expect(why.contains("scheduler gone: left out: it cannot be asked"), "\(why)")
    #expect(house.alarms.all.contains { $0.hasPrefix("scheduler gone is left out: ") }, "the log says more")
    let metrics = try house.get("/metrics").text
    for (name, result) in [("slow", "late"), ("rubbish", "wrong"), ("gone", "failed")] {
      #expect(metrics.contains(#"berth_scheduler_requests_total{scheduler="\#(name)",result="\#(result)"} 1"#))
    }
  }

  @Test func s3_59_aVMThatWaitsIsAskedAboutAgainAndAVetoHoldsUntilThen() throws {
    let refusals = Refusals(["n1", "n2"])
    let outside = try Outside(refusals.answer)
    let house = try House(schedulers: [outside.options("licence")])
    try house.register("n1")
    let vm = try house.vm("web")
    #expect(vm["state"] == "pending" && vm["why"]?.contains("licence: refuses 1 of 1 nodes") == true)
    let now = try house.get("/api/v1/vms/web/why")
    #expect(now["now.notes.0"]?.contains("scheduler licence") == true, "what stands in its way now: \(now.text)")
    // A node comes: it is asked about, refused, and the VM waits on.
    let before = outside.asked.all.count
    try house.register("n2")
    #expect(eventually { outside.asked.all.count > before })
    #expect(try house.look("web")["state"] == "pending")
    refusals.set(["n1", "n2"])
    try house.register("n3")
    #expect(try eventually { try house.look("web")["node"] == "n3" })
    #expect(try house.look("web")["why"]?.contains("refuses 2 of 3 nodes") == true)
  }

  @Test func s3_59_whoFailsOverIsPlacedByWhatTheySay() throws {
    let refusals = Refusals(["n2", "n3"])
    let outside = try Outside(refusals.answer)
    let house = try House(schedulers: [outside.options("licence")])
    for name in ["n1", "n2", "n3"] { try house.register(name) }
    #expect(try house.vm("web")["node"] == "n1")
    refusals.set(["n2"])
    try house.post("/api/v1/nodes/n1/fence", expect: 200)
    #expect(try eventually { try house.look("web")["node"] == "n3" })
    // And who is started or moved by hand.
    refusals.set(["n3"])
    try house.post("/api/v1/vms/web/stop", expect: 200)
    let epoch = UInt64(try house.get("/api/v1/nodes/n3")["epoch"] ?? "") ?? 0
    try house.report("n3", epoch, [(try house.look("web"), "gone")])
    #expect(try eventually { try house.look("web")["state"] == "stopped" })
    #expect(try house.post("/api/v1/vms/web/start", expect: 200)["node"] == "n2")
  }

  @Test func aDryRunAndAQuestionAskThemToo() throws {
    let outside = try Outside(Refusals(["n1"]).answer)
    let house = try House(schedulers: [outside.options("licence")])
    for name in ["n1", "n2"] { try house.register(name) }
    let body = #"{"name":"web","vcpus":2,"memory_mib":1024}"#
    #expect(try house.post("/api/v1/vms?dry_run=true", body, expect: 200)["node"] == "n2")
    #expect(try house.post("/api/v1/placements", body, expect: 200)["vms.0.node"] == "n2")
    let fit = try house.post("/api/v1/plan", #"{"fit":\#(body)}"#, expect: 200)
    #expect(fit["fitting"] == "7", "on one node: \(fit.text)")
  }

  @Test func inAClusterTheLeaderAsksAndSoDoesTheNextOne() throws {
    let refusals = Refusals(["n1"])
    let outside = try Outside(refusals.answer)
    let town = try Town(schedulers: [outside.options("licence")])
    let node = #"{"capacity":{"vcpus":16,"memory_mib":32768}}"#
    for name in ["n1", "n2"] { try town.call(town.follower, "PUT", "/api/v1/nodes/\(name)", node, expect: 201) }
    func vm(_ name: String) -> String { #"{"name":"\#(name)","vcpus":1,"memory_mib":64,"interfaces":[]}"# }
    let made = try town.call(town.follower, "POST", "/api/v1/vms", vm("a"), expect: 201)
    #expect(made["node"] == "n2" && outside.asked.all.count == 1)
    // Nothing of it is in the log: the next leader asks anew about a VM that waits.
    refusals.set(["n1", "n2"])
    #expect(try town.call(town.leader, "POST", "/api/v1/vms", vm("b"), expect: 201)["state"] == "pending")
    refusals.set(["n2"])
    town.leader.log.allow(toLead: false)
    try town.call(town.leader, "POST", "/api/v1/cluster/depose", expect: 200)
    #expect(eventually { town.follower.engine.leadership.decides })
    #expect(try eventually { try town.call(town.follower, "GET", "/api/v1/vms/b")["node"] == "n1" })
  }

  @Test func ofLargeQuestionsOnlyAFewAreWrittenDownAtATime() throws {
    let isFree = Shared(false)
    let outside = try Outside { _ in eventually { isFree.withLock { $0 } } ? "{}" : nil }
    let house = try House()
    try house.register("n1")
    let metrics = Metrics()
    let schedulers = [outside.options("slow") { $0.timeout = .seconds(60) }]
    let advisers = Advisers(schedulers, house.engine, metrics, room: 1)
    defer { advisers.stop() }
    let key = VMKey(tenant: .standard, name: VMName(trusted: "web"))
    let notes = Collected<String>()
    func ask() {
      advisers.ask(key, VMSpec(Resources(cpu: 1_000, memory: 64))) { notes.add($0.notes.joined(separator: ",")) }
    }
    func held() -> Int {
      let lines = String(decoding: metrics.exposition(), as: UTF8.self).split(separator: "\n")
      let line = lines.first { $0.hasPrefix("berth_scheduler_question_bytes ") }
      return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }
    ask()
    #expect(eventually { outside.asked.all.count == 1 })
    let one = held()
    #expect(one > 100)
    for _ in 0..<3 { ask() }
    #expect(eventually { notes.all.count == 3 }, "there is no room for them, and they wait no longer than they may")
    #expect(notes.all.allSatisfy { $0.contains("slow: left out: too many questions wait") }, "\(notes.all)")
    #expect(outside.asked.all.count == 1 && held() == one)
    isFree.withLock { $0 = true }
    #expect(eventually { notes.all.count == 4 } && !notes.all[3].contains("left out") && held() == 0, "\(notes.all)")
    ask()
    #expect(eventually { notes.all.count == 5 } && outside.asked.all.count == 2)
  }

  /// Of more than 1,024 nodes each question has another part, those with room first; of the others nobody has a word.
  @Test func ofMoreNodesThanAQuestionHoldsEachQuestionHasAnotherPart() throws {
    let refusals = Refusals([])
    let outside = try Outside(refusals.answer)
    let house = try House(schedulers: [outside.options("licence")])
    // As much as the VMs ask for, of which nine tenths may be promised: they could have one if more were promised.
    let full = (0..<4).map { "a\($0)" }
    @Sendable func register(_ name: String, _ vcpus: Int) {
      let body = #"{"capacity":{"vcpus":\#(vcpus),"memory_mib":32768}}"#
      #expect((try? house.call("PUT", "/api/v1/nodes/\(name)", body).status) == 201, "\(name)")
    }
    for name in full { register(name, 2) }
    inParallel(1_022) { register("n\($0)", 16) }
    /// The nodes of the newest question, and why the VM is where it is.
    func ask(_ name: String) throws -> (nodes: Set<String>, total: Int?, vm: Heard) {
      let vm = try house.vm(name, more: #","interfaces":[]"#)
      let question = try #require(outside.asked.all.last { $0["vm"]?["name"]?.string == name })
      let names = (question["nodes"]?.elements ?? []).compactMap { $0["name"]?.string }
      #expect(names.count == SchedulerOptions.nodesMax && Set(names).count == names.count)
      return (Set(names), question["nodes_total"]?.integer(), vm)
    }
    let (first, second) = (try ask("a"), try ask("b"))
    #expect(first.total == 1_026)
    #expect(first.vm["why"]?.contains("asked about 1024 of 1026 nodes, and only those count") == true, "\(first.vm)")
    #expect(first.nodes.intersection(full).count == 2, "all that have room, then two of those that have none")
    #expect(first.nodes.union(second.nodes).count == 1_026, "and the next time the other two")
    for number in 0..<4 { register("z\(number)", 16) }
    let (third, fourth) = (try ask("c"), try ask("d"))
    #expect(third.total == 1_030 && third.nodes.union(fourth.nodes).count == 1_026)
    #expect(third.nodes.union(fourth.nodes).isDisjoint(with: full), "without room only when there is room in it")
    // All it is asked about is refused; the two nodes with room that it is not asked about are not taken unasked.
    refusals.set(third.nodes.union(fourth.nodes))
    let none = try ask("e")
    #expect(none.vm["state"] == "pending" && none.vm["node"] == nil, "\(none.vm.text)")
  }

  @Test func weightsAddUp() throws {
    let one = try Outside { _ in #"{"scores":[{"node":"n1","score":50}]}"# }
    let other = try Outside { _ in #"{"scores":[{"node":"n2","score":20}]}"# }
    let house = try House(schedulers: [one.options("one"), other.options("other") { $0.weight = 3 }])
    for name in ["n1", "n2"] { try house.register(name) }
    #expect(try house.vm("web")["node"] == "n2")
  }

  @Test func whatTwoSayOfOneNodeIsAdded() throws {
    let one = try Outside { _ in #"{"scores":[{"node":"n1","score":10},{"node":"n2","score":90}]}"# }
    let other = try Outside { _ in #"{"scores":[{"node":"n1","score":30},{"node":"n2","score":10}]}"# }
    let house = try House(schedulers: [one.options("one"), other.options("other")])
    for name in ["n1", "n2"] { try house.register(name) }
    let vm = try house.vm("web")
    #expect(vm["node"] == "n2", "100 against 40, though the second likes n1 better: \(vm.text)")
  }

  /// All that score have a weight of ten together, so that their sums go up to a thousand.
  @Test func largeSumsAreToldApart() throws {
    let one = try Outside { _ in #"{"scores":[{"node":"n1","score":98},{"node":"n2","score":99}]}"# }
    let house = try House(schedulers: [one.options("one") { $0.weight = 10 }])
    for name in ["n1", "n2"] { try house.register(name) }
    #expect(try house.vm("web")["node"] == "n2")
  }

  @Test func aVetoOfAnyOfThemCounts() throws {
    let one = try Outside(Refusals(["n1"]).answer)
    let other = try Outside(Refusals(["n2"]).answer)
    let house = try House(schedulers: [one.options("one"), other.options("other")])
    for name in ["n1", "n2", "n3"] { try house.register(name) }
    #expect(try house.vm("web")["node"] == "n3")
  }

  @Test func whatOneIsNotAskedForIsNotHeard() throws {
    let vetoes = try Outside { _ in #"{"vetoes":[{"node":"n1"},{"node":"n2"}],"scores":[{"node":"n2","score":5}]}"# }
    let scores = try Outside { _ in #"{"vetoes":[{"node":"n3"}],"scores":[{"node":"n1","score":100}]}"# }
    let house = try House(schedulers: [
      vetoes.options("taste") { $0.filters = false }, scores.options("licence") { $0.scores = false }
    ])
    for name in ["n1", "n2", "n3"] { try house.register(name) }
    let vm = try house.vm("web")
    #expect(vm["node"] == "n2", "neither the vetoes of one that scores nor the scores of one that filters: \(vm.text)")
  }
}
