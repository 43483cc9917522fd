internal import AgentHost
internal import Domain
internal import Ledger
internal import VMM

extension World {
  /// Whether everything has been well for so long that all agents have been heard again.
  var isQuiet: Bool { isPeace && now > plan.trouble + 8_000_000 }
}

extension Hosts {
  /// At the end every VM that fits runs once, where its row says; who waits knows why.
  func checkPeace() {
    look()
    let tables = truth.tables
    var expected: [VMID: NodeName] = [:]
    // Who waits for a draining node, or for room, may be sent on at any time.
    var moving: Set<VMID> = []
    for vm in tables.vms(of: nil, after: nil, limit: 1_000) {
      guard vm.revision <= settled else {
        moving.insert(vm.id)
        continue
      }
      check(vm)
      if vm.state == .running, let node = vm.node { expected[vm.id] = node }
    }
    for host in all {
      for machine in host.vms?.observe() ?? [] where !moving.contains(machine.id) {
        if machine.phase == .prepared, tables.vms(on: host.node.name).contains(where: { $0.id == machine.id }) {
          continue
        }
        let isWanted = expected[machine.id] == host.node.name
        if !isWanted || machine.phase != .running {
          world.violate("in peace \(host.node.name) has VM \(machine.order.key.name), \(machine.phase)")
        }
        if isWanted { expected[machine.id] = nil }
      }
    }
    for (id, node) in expected.sorted(by: { $0.key < $1.key }) {
      world.violate("in peace \(node) does not have VM \(id.raw), which is said to run there")
    }
    checkWaiting()
  }

  private func check(_ vm: VM) {
    func violate(_ what: String) { world.violate("in peace VM \(vm.key.name) is \(vm.state): \(what)") }
    let isGone = self.isGone(vm.node)
    // What may be there waits until somebody vouches for that host, or until its lease has ended.
    let mayBeThere = !vm.isLeased && self.isGone(vm.leaving)
    switch vm.state {
    case .running: if isGone { violate("its node is away") }
    case .pending, .preempted, .failed, .stopped: if vm.why.isEmpty { violate("nobody knows why") }
    case .lost:
      if !isGone, !mayBeThere { violate("its node is there") }
      if vm.isLeased { violate("its lease has ended, and it is still there") }
      world.saw("a lost VM that starts nowhere else waits")
    case .placed: if !mayBeThere { violate("it is still on its way") }
    case .starting, .stopping, .migrating: violate("it is still on its way")
    }
  }

  private func isGone(_ node: NodeName?) -> Bool { all.contains { $0.isGone && $0.node.name == node } }

  /// Whoever waits does so because there is no room: a ledger that knows nothing of rests finds none either.
  private func checkWaiting() {
    let tables = truth.tables
    let ledger = Ledger(tables)
    let context = Ledger.Context(revision: tables.revision + 1, time: tables.time, seed: 1)
    let asked = Submission(.fleet(.schedule), actor: "system", requestID: "", asked: "")
    for effect in ledger.decide(asked, context).entry?.effects ?? [] {
      guard case .fleet(.vm(let vm)) = effect.row, let old = tables.vm(vm.key), old.node == nil else { continue }
      // One that failed again and again rests, whatever room there is.
      if old.state != .failed { world.violate("VM \(vm.key.name) waits, and there is room: \(old.state), \(old.why)") }
    }
    for host in all where !host.isGone {
      guard let row = tables.node(host.node.name) else { continue }
      if row.state == .lost || row.state == .fenced { world.violate("in peace \(row.name) is \(row.state)") }
    }
  }
}
