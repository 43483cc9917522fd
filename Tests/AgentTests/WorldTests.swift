import Domain
import TestSupport
import Testing
import VMMSimulated

@Suite struct WorldTests {
  /// A network that loses a fifth, nodes that are cut off, agents that are slow to look, machines that fail, die and hang.
  private func storm(seed: UInt64, seconds: Int) -> World {
    let world = World(seed: seed, nodes: 4)
    for _ in 0..<12 { world.create() }
    for _ in 0..<(seconds * 40) {
      world.clock.now += .milliseconds(25)
      let host = world.random.pick(world.hosts)
      if world.random.oneIn(150) { host.isCutOff.toggle() }
      if world.random.oneIn(200) {
        host.backend.faults.startFailuresPerMillion = UInt32.random(in: 0...400_000, using: &world.random)
        host.backend.faults.crashesPerMillion = UInt32.random(in: 0...400_000, using: &world.random)
        host.backend.faults.stopsHang = world.random.oneIn(3)
      }
      if world.random.oneIn(40) { disturb(world) }
      world.decide()
      for host in world.hosts { world.work(host) }
      world.look()
    }
    return world
  }

  private func disturb(_ world: World) {
    let ids = world.rows.keys.sorted().filter { !world.rows[$0]!.isEnding }
    switch Int.random(in: 0..<4, using: &world.random) {
    case 0 where world.rows.count < 20: world.create()
    case 1 where ids.count > 6: world.delete(world.random.pick(ids))
    case 2 where !ids.isEmpty: world.toggle(world.random.pick(ids))
    default: break
    }
  }

  @Test func noVMHasTwoCarriersAndNoneOutlivesItsLeaseWhateverHappens() {
    var seeds = SeededRandom(announcedAs: "agents in a storm")
    var lively = 0
    for _ in 0..<10 {
      let seed = seeds.next()
      let world = storm(seed: seed, seconds: 40)
      #expect(world.broken.isEmpty, "seed \(seed): \(world.broken.prefix(3))")
      let isLively = world.nodeEpochs.contains { $0 > 1 } && world.rows.values.contains { $0.order.epoch > 1 }
      lively += isLively ? 1 : 0
    }
    // Else nothing was shown.
    #expect(lively >= 5, "only \(lively) runs lost a node and moved a VM")
  }

  @Test func whenFaultsEndEveryVMRunsOnceWhereItBelongs() {
    var seeds = SeededRandom(announcedAs: "agents after a storm")
    for _ in 0..<10 {
      let seed = seeds.next()
      let world = storm(seed: seed, seconds: 20)
      world.isUnfair = false
      for host in world.hosts { (host.isCutOff, host.backend.faults) = (false, .none) }
      // Machines that were ordered during the storm may still die in their first minute.
      for _ in 0..<(90 * 40) {
        world.clock.now += .milliseconds(25)
        world.decide()
        for host in world.hosts { world.work(host) }
        world.look()
      }
      #expect(world.broken.isEmpty, "seed \(seed): \(world.broken.prefix(3))")
      for (id, row) in world.rows {
        let carriers = world.hosts.filter { $0.backend.observe().contains { $0.id == id } }.map(\.index)
        if row.isWanted {
          #expect(row.runs && carriers == [row.node!], "seed \(seed): \(id.raw) \(row) on \(carriers)")
        } else {
          #expect(carriers.isEmpty, "seed \(seed): \(id.raw) \(row) on \(carriers)")
        }
      }
      let known = Set(world.rows.keys)
      #expect(world.hosts.allSatisfy { $0.backend.observe().allSatisfy { known.contains($0.id) } }, "seed \(seed)")
    }
  }
}
