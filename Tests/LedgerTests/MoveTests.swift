import Domain
import Testing

@testable import Ledger

/// What becomes of a VM on its way from one node to another when one of them, or both, fall silent.
@Suite struct MoveTests {
  @Test func aVMWhoseGoalFallsSilentStaysWhereItRuns() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    #expect(desk.vm("a").state == .migrating && desk.vm("a").leaving == nodeName("n1"))
    desk.ask(.fleet(.nodesLost([nodeName("n2")])))
    let vm = desk.vm("a")
    #expect(vm.state == .running && vm.node == nodeName("n1") && vm.leaving == nodeName("n2") && vm.epoch == 3)
    // It may have arrived without anybody having heard of it: nobody starts it a second time.
    #expect(vm.duty(of: nodeName("n1")) == .keep && vm.duty(of: nodeName("n2")) == .stop(graceSeconds: 30))
    #expect(desk.ask(.fleet(.migrateVM(vmKey("a"), to: nil))).refusal?.detail.contains("fence n2") == true)
    desk.ask(.fleet(.setNode(nodeName("n1"), .draining)))
    desk.schedule()
    #expect(desk.vm("a").state == .running && desk.vm("a").leaving == nodeName("n2"), "nor is it sent on")
    desk.node("n2")
    desk.report("a", .gone, from: nodeName("n2"))
    #expect(desk.vm("a").leaving == nil && desk.vm("a").duty(of: nodeName("n1")) == .run)
    desk.schedule()
    #expect(desk.vm("a").state == .migrating)
  }

  @Test func aVMThatMayHaveArrivedStartsElsewhereOnlyWhenThatNodeHasLetGo() {
    let desk = house()
    desk.node("n3")
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    desk.ask(.fleet(.nodesLost([nodeName("n2")])))
    desk.report("a", .gone)
    desk.pass(seconds: 1)
    desk.schedule()
    let place = desk.vm("a").node
    #expect(place != nil && place != nodeName("n2") && place.flatMap { desk.vm("a").duty(of: $0) } == .wait)
    desk.ask(.fleet(.fenceNode(nodeName("n2"))))
    #expect(place.flatMap { desk.vm("a").duty(of: $0) } == .run)
  }

  /// Who is moved by the end of a lease may drive out one that was to be looked at next.
  @Test func whoIsDrivenOutByALostVMDoesNotKeepItsRoom() {
    let desk = Desk()
    desk.pool("web", "10.0.0.0/24")
    desk.node("n1", cpus: 4)
    desk.node("n2", cpus: 8)
    desk.create("b", cpus: 3) { spec in
      (spec.node, spec.failover, spec.priority, spec.isPreemptible) = (nil, .restart, 100, true)
    }
    desk.run("b")
    desk.ask(.fleet(.migrateVM(vmKey("b"), to: nodeName("n1"))))
    if desk.vm("b").state == .migrating { desk.report("b", .running) }
    desk.create("c", cpus: 3) { spec in (spec.failover, spec.priority) = (.restart, 900) }
    desk.run("c")
    #expect(desk.vm("b").node == nodeName("n1") && desk.vm("c").node == nodeName("n2"))
    desk.ask(.fleet(.migrateVM(vmKey("b"), to: nodeName("n2"))))
    desk.ask(.fleet(.nodesLost([nodeName("n2")])))
    desk.report("b", .failed)
    desk.pass(seconds: 1)
    desk.schedule()
    #expect(desk.vm("b").node == nodeName("n1") && desk.vm("b").leaving == nodeName("n2"))
    desk.ask(.fleet(.leasesEnded([nodeName("n2")])))
    #expect(desk.vm("c").node == nodeName("n1") && desk.vm("c").state == .placed)
    #expect(desk.vm("b").node == nil && desk.vm("b").state == .preempted && desk.vm("b").leaving == nil)
  }

  @Test func aVMBetweenTwoSilentNodesRunsNowhereUntilOneHasLetGo() {
    let desk = house()
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    desk.ask(.fleet(.nodesLost([nodeName("n1"), nodeName("n2")])))
    #expect(desk.vm("a").state == .lost && desk.vm("a").duty(of: nodeName("n2")) == .wait)
    #expect(desk.vm("a").duty(of: nodeName("n1")) == .stop(graceSeconds: 30))
  }

  /// Or nobody would miss it: a VM that runs on a node of which nothing is heard is never started elsewhere.
  @Test(arguments: [true, false]) func aVMThatComesBackToASilentNodeIsLost(isFenced: Bool) {
    let desk = house()
    desk.create("a")
    desk.run("a")
    desk.ask(.fleet(.migrateVM(vmKey("a"), to: nodeName("n2"))))
    desk.ask(.fleet(.nodesLost([nodeName("n1")])))
    #expect(desk.vm("a").state == .migrating)
    if isFenced { desk.ask(.fleet(.fenceNode(nodeName("n2")))) } else { desk.report("a", .failed) }
    #expect(desk.vm("a").state == .lost && desk.vm("a").node == nodeName("n1") && desk.vm("a").leaving == nil)
    #expect(desk.vm("a").why.contains("node n1 is lost"), "\(desk.vm("a").why)")
    desk.node("n1")
    desk.report("a", .running)
    #expect(desk.vm("a").state == .running, "it ran all the time")
  }
}

/// A pool and some nodes.
func house(nodes: Int = 2) -> Desk {
  let desk = Desk()
  desk.pool("web", "10.1.0.0/24")
  for number in 1...nodes { desk.node("n\(number)") }
  return desk
}
