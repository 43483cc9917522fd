import Domain
import Testing

@testable import Ledger

/// Nodes that are to be left: how much one entry looks for room, who comes next, and who goes down.
@Suite struct DrainTests {
  /// Nodes of eight vCPUs, each filled with four VMs named after it, all running.
  private func house(_ names: [String]) -> Desk {
    let desk = Desk()
    for name in names {
      desk.node(name)
      for number in 1...4 { run(desk, "\(name)-\(number)", on: name) }
    }
    return desk
  }

  private func run(_ desk: Desk, _ name: String, on node: String, cpus: Int32 = 2) {
    desk.create(name, cpus: cpus, memory: 1) { $0.interfaces = [] }
    desk.run(name)
    #expect(desk.vm(name).node == nodeName(node))
  }

  private func delete(_ desk: Desk, _ name: String) {
    desk.ask(.fleet(.deleteVM(vmKey(name), force: false)))
    desk.report(name, .gone)
  }

  private func drain(_ desk: Desk, _ name: String) { desk.ask(.fleet(.setNode(nodeName(name), .draining))) }

  private func pass(_ desk: Desk, seconds: LogTime) {
    desk.time += seconds * 1_000_000
    desk.schedule()
  }

  @Test func oneEntryLooksSoMuchAndTheNextGoesOnUntilEverybodyWasTriedOnce() {
    let desk = house(["n1", "n2", "n3", "n4"])
    delete(desk, "n3-4")
    for name in ["x", "y"] { run(desk, name, on: "n3", cpus: 1) }
    // Of eight vCPUs one is left, for one of the last two of those that are to leave.
    desk.node("n5")
    run(desk, "big", on: "n5", cpus: 7)
    for name in ["n1", "n2", "n3"] { drain(desk, name) }
    // A look costs 64 and five nodes: three of them fit a part.
    desk.ledger.workMost = 4 * 200
    var steps = 0
    let begun = desk.ledger.work
    while let work = desk.ledger.nextWork, work <= desk.time {
      let before = desk.ledger.work
      desk.ask(.fleet(.schedule))
      #expect(desk.ledger.work - before <= 3 * 80, "one step looked for room too often")
      steps += 1
      if steps > 50 { return #expect(Bool(false), "the same are tried again and again") }
    }
    #expect(steps >= 4 && desk.ledger.work - begun <= 14 * 80, "thirteen VMs, each looked at once")
    #expect(desk.vm("x").node == nodeName("n5") && desk.vm("x").state == .migrating)
    #expect(
      desk.vm("n1-1").node == nodeName("n1") && desk.ledger.nextWork.map { $0 <= desk.time + Limits.drainRest } == true)
    // Room appears: whoever has rested goes.
    desk.ask(.fleet(.setNode(nodeName("n3"), .ready)))
    for name in ["n3-1", "n3-2", "n3-3"] { delete(desk, name) }
    pass(desk, seconds: 6)
    let left = desk.tables.vms(on: nodeName("n1")).filter { $0.state == .migrating }
    #expect(left.count == 3 && left.allSatisfy { $0.node == nodeName("n3") })
  }

  @Test func aTargetWhereAMoveFailedIsTriedAgainOnlyIfThereIsNoOther() {
    let desk = Desk()
    desk.node("n1")
    desk.create("a") { $0.interfaces = [] }
    desk.run("a")
    for name in ["n2", "n3"] { desk.node(name) }
    drain(desk, "n1")
    var targets: [String] = []
    for _ in 0..<4 {
      pass(desk, seconds: 6)
      if desk.vm("a").state == .running { pass(desk, seconds: 6) }
      targets.append(desk.vm("a").node?.text ?? "-")
      desk.report("a", .failed)
      #expect(desk.vm("a").node == nodeName("n1") && desk.vm("a").state == .running)
    }
    #expect(targets == ["n2", "n3", "n2", "n3"])
    for _ in 0..<2 { pass(desk, seconds: 6) }
    desk.report("a", .running)
    #expect(desk.vm("a").state == .running && desk.vm("a").node == nodeName("n2"))
  }

  // MARK: Who cannot move while it runs

  private func pinned(_ desk: Desk, _ name: String, cpus: Int32 = 4) {
    desk.create(name, cpus: cpus, memory: 1) { ($0.interfaces, $0.isPinned, $0.graceSeconds) = ([], true, 30) }
    desk.run(name)
  }

  @Test func whoHasProcessorsOfItsOwnGoesDownOnlyIfThereIsRoomForItElsewhere() {
    let desk = Desk()
    desk.node("n1") { $0.profile = .conservative }
    for name in ["a", "b"] { pinned(desk, name) }
    #expect(desk.vm("a").seat != .plain && desk.vm("b").node == nodeName("n1"))
    drain(desk, "n1")
    desk.schedule()
    #expect(desk.vm("a").state == .running && desk.vm("b").state == .running, "nowhere else is room")
    // There is room for one: the other one goes on running, however often it is looked at.
    desk.node("n2", cpus: 5) { $0.profile = .conservative }
    for _ in 0..<3 { pass(desk, seconds: 6) }
    #expect(desk.vm("a").state == .stopping && desk.vm("b").state == .running)
    desk.report("a", .gone)
    #expect(desk.vm("a").node == nodeName("n2"))
    pass(desk, seconds: 6)
    #expect(desk.vm("b").state == .running && desk.vm("b").node == nodeName("n1"))
  }

  @Test func s3_20_whoCannotMoveRunsUntilItsGraceIsAllThatIsLeft() {
    let desk = Desk()
    desk.node("n1")
    pinned(desk, "a")
    desk.ask(.fleet(.reclaimNode(nodeName("n1"), seconds: 3_600)))
    desk.schedule()
    for _ in 0..<11 { pass(desk, seconds: 300) }
    #expect(desk.vm("a").state == .running, "five minutes before the end")
    pass(desk, seconds: 270)
    #expect(desk.vm("a").state == .preempted && desk.vm("a").why.contains("taken back"))
  }

  /// Ordinary upkeep: one node after the other is emptied, and the second while it still takes what the first had.
  @Test func whoArrivesOnANodeThatDrainsByThenIsSentOn() {
    let desk = Desk()
    for name in ["n1", "n2", "n3"] { desk.node(name) }
    run(desk, "a", on: "n1")
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    desk.ask(.fleet(.setNode(nodeName("n2"), .draining)))
    desk.schedule()
    desk.report("a", .running)
    desk.schedule()
    #expect(desk.vm("a").state == .migrating && desk.vm("a").leaving == nodeName("n2"), "\(desk.vm("a"))")
  }
}
