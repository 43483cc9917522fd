import Addressing
import Domain
import Placement
import TestSupport
import Testing

/// Random small fleets against the model, which looks at everything in the plainest way.
@Suite struct ReferenceTests {
  @Test func aNodeIsFoundIfAndOnlyIfThereIsOneAndTheVictimsAreFewest() {
    var random = SeededRandom(announcedAs: "placement reference")
    var seen = Seen()
    for _ in 0..<400 { run(World(SeededRandom(seed: random.next())), &seen) }
    print("placement reference: \(seen)")
    #expect(seen.placed > 1_000 && seen.pending > 500 && seen.preempted > 50 && seen.kept > 10)
    // The worlds are worth something: each filter has been the reason now and then.
    let missing = Reason.allCases.filter { $0 != .none && !seen.reasons.contains($0) }
    #expect(missing.isEmpty, "\(missing)")
  }

  struct Seen {
    var placed = 0
    var pending = 0
    var preempted = 0
    var kept = 0
    var reasons: Set<Reason> = []
  }

  private func run(_ start: World, _ seen: inout Seen) {
    var world = start
    let seed = start.random.seed
    var fleet = Fleet()
    var model = Model()
    model.latencies = world.latencies()
    fleet.setLatencies(model.latencies)
    for number in 0..<(1 + world.below(6)) {
      let node = world.node(number)
      model.nodes[node.name] = node
      fleet.put(node)
    }
    if world.random.oneIn(2) {
      model.addresses = Dictionary(uniqueKeysWithValues: World.datacenters.map { ($0, world.below(4)) })
    }
    for step in 0..<24 {
      change(&fleet, &model, &world, step)
      if let left = model.addresses { fleet.addresses = DatacenterRoom(names: World.datacenters, left: left) }
      let time = LogTime(1 + world.below(24)) * 3_600_000_000
      let request = world.request(step, model, time: time)
      let decision = fleet.place(request)
      judge(decision, request, model, &seen, "seed \(seed) step \(step)")
      carryOut(decision, request, &fleet, &model, step)
      fleet.commit()
    }
    #expect(fleet.fingerprint() == rebuilt(model).fingerprint(), "seed \(seed)")
    neverTooMuch(model, "seed \(seed)")
  }

  /// What else happens in a fleet.
  private func change(_ fleet: inout Fleet, _ model: inout Model, _ world: inout World, _ step: Int) {
    if world.random.oneIn(4), let vm = model.vms.values.sorted(by: { $0.id < $1.id }).first {
      model.vms[vm.id] = nil
      fleet.remove(vm: vm.id)
    }
    if world.random.oneIn(6) {
      var node = model.nodes[world.random.pick(model.nodes.keys.sorted())]!
      node.state = world.random.oneIn(2) ? .ready : world.random.pick(NodeState.allCases)
      if world.random.oneIn(3) { node.topology.rack = world.random.pick(["r0", "r1", "r2"]) }
      model.nodes[node.name] = node
      fleet.put(node)
    }
    if world.random.oneIn(6) {
      let row = CapacityReservation(
        name: CapacityName(trusted: "k\(world.below(3))"), tenant: TenantName(trusted: "t\(world.below(2))"),
        node: world.random.pick(model.nodes.keys.sorted()),
        asked: Resources(cpu: Int32(world.below(3)) * 1_000, memory: Int32(world.below(3)) * 1_024),
        priority: UInt16(world.below(8)) * 100, expiresAt: world.random.oneIn(3) ? 10 * 3_600_000_000 : nil)
      fleet.remove(capacity: row.name)
      model.kept[row.name] = nil
      if let node = model.nodes[row.node], row.asked.fits(in: model.free(node)) {
        model.kept[row.name] = row
        fleet.put(row)
      }
    }
  }

  private func judge(
    _ decision: Decision, _ request: PlacementRequest, _ model: Model, _ seen: inout Seen, _ what: String
  ) {
    let reasons = model.nodes.values.map { model.reason($0, request) }
    let good = model.nodes.values.filter { model.reason($0, request) == .none }
    let open = model.nodes.values.filter { model.reason($0, request, open: true) == .none }
    seen.reasons.formUnion(reasons)
    switch decision {
    case .placed(let placement):
      seen.placed += 1
      #expect(open.contains { $0.name == placement.node }, "\(what): \(placement.node) \(request)")
      if !placement.uses.isEmpty { seen.kept += 1 }
      if good.contains(where: { $0.name == placement.node }), placement.uses.isEmpty {
        let penalties = good.map { model.penalty($0, request) }
        let mine = model.nodes[placement.node].map { model.penalty($0, request) }
        #expect(mine == penalties.min(), "\(what): broken wishes \(request.spec)")
      }
    case .preempt(let placement, let victims):
      seen.preempted += 1
      #expect(open.isEmpty, "\(what): there was room")
      guard let node = model.nodes[placement.node] else { return }
      let gone = victims.compactMap { model.vms[$0.id] }
      #expect(gone.count == victims.count && gone.allSatisfy { model.isMovable($0, request) }, "\(what)")
      #expect(model.loss(gone, node, request) == model.leastLoss(request), "\(what): victims \(victims)")
    case .pending(let explanation):
      seen.pending += 1
      #expect(open.isEmpty, "\(what): \(open.map(\.name)) would do for \(request)")
      if request.mayPreempt, request.spec.preemption != .never {
        #expect(model.leastLoss(request) == nil, "\(what): somebody could give way \(request)")
      }
      if explanation.isRemembered { return }
      for reason in Reason.allCases where reason != .none {
        #expect(
          explanation.removed(by: reason) == reasons.filter { $0 == reason }.count, "\(what): \(reason)")
      }
    }
  }

  private func carryOut(
    _ decision: Decision, _ request: PlacementRequest, _ fleet: inout Fleet, _ model: inout Model, _ step: Int
  ) {
    if case .preempt(_, let victims) = decision {
      for victim in victims {
        model.vms[victim.id] = nil
        fleet.remove(vm: victim.id)
      }
    }
    guard let placement = decision.placement else { return }
    for use in placement.uses {
      guard var row = model.kept[use.name] else { continue }
      row.left = row.left - use.amounts
      model.kept[use.name] = row
      fleet.put(row)
    }
    let vm = VM(
      key: request.key, id: VMID(revision: UInt64(step) + 1), spec: request.spec, state: .placed, node: placement.node,
      seat: placement.seat)
    model.vms[vm.id] = vm
    fleet.put(vm)
    let datacenter = model.nodes[placement.node]?.topology.datacenter ?? ""
    model.addresses?[datacenter, default: 0] -= request.spec.interfaces.count
  }

  private func rebuilt(_ model: Model) -> Fleet {
    var fleet = Fleet()
    for node in model.nodes.values { fleet.put(node) }
    for row in model.kept.values { fleet.put(row) }
    for vm in model.vms.values { fleet.put(vm) }
    return fleet
  }

  /// No node over what it may promise, no processor or device twice, no hard rule broken.
  private func neverTooMuch(_ model: Model, _ what: String) {
    for node in model.nodes.values {
      #expect(Resources.none.fits(in: model.free(node)), "\(what): \(node.name) over capacity")
      let there = model.vms(on: node.name)
      let devices = there.flatMap(\.seat.devices)
      #expect(Set(devices).count == devices.count, "\(what): a device twice on \(node.name)")
      let cpus = there.flatMap(\.seat.cpus.members)
      #expect(Set(cpus).count == cpus.count, "\(what): a processor twice on \(node.name)")
      for vm in there {
        for item in vm.spec.devices {
          let mine = node.devices.filter { vm.seat.devices.contains($0.id) && $0.model == item.model }
          #expect(mine.count == Int(item.count), "\(what): devices of \(vm.key.name)")
        }
        if vm.spec.isPinned { #expect(vm.seat.cpus.count == Int(vm.spec.resources.cpu / 1_000), "\(what)") }
      }
    }
  }
}
