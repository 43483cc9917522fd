// VMMSimulated: machines that are only told of, for trying out a fleet, for tests and for measuring.
//
// A machine is a row with the times at which its phase changes, drawn from a seed when it is ordered; time comes from
// the clock that was handed in. So ten thousand of them cost some memory and no thread, and a test moves the clock
// instead of waiting. What happens to the N-th machine of a seed is the same in each run with the same orders.
//
// Faults are a value that can be exchanged while it runs: starts that fail, machines that die, machines that do not go
// down. Whatever is decided by chance is decided at the order, by the faults of that moment; a stop that hangs ends when
// the faults say so.
//
// One that is taken over from another node comes up, and then asks `takeOver` for the other one, as long as `patience`;
// until it has it it is told as starting, and it fails if it cannot be had. Without `takeOver` it is pretended that the
// other node had let it go by then: agents of simulated nodes do not know each other.
//
// The machines live in the process and vanish with it, as if the host had lost its power. Nothing of the network is
// pretended: an address that such a machine has answers to nobody.
package import Domain
package import VMM

/// What goes wrong.
package struct SimulatedFaults: Hashable, Sendable {
  /// Of a million starts so many fail.
  package var startFailuresPerMillion: UInt32 = 0
  /// Of a million machines so many die, some time in their first minute.
  package var crashesPerMillion: UInt32 = 0
  /// Whether no machine goes down, not even when its time is over.
  package var stopsHang = false

  /// Nothing goes wrong.
  package init() {}

  /// Nothing goes wrong.
  package static let none = SimulatedFaults()
}

/// How simulated machines behave.
package struct SimulatedTimes: Hashable, Sendable {
  /// The shortest and the longest time to come up.
  package var start: ClosedRange<Duration> = .milliseconds(100) ... .milliseconds(300)
  /// The longest time to go down by itself; the grace ends it earlier.
  package var stop: Duration = .milliseconds(200)

  /// The usual times.
  package init() {}

  /// Comes up in half to one and a half of `delay`.
  package init(startDelay delay: Duration) {
    start = delay / 2...delay / 2 + delay
    stop = delay
  }
}

/// How busy simulated machines are: each about so much of what it has, another one somewhat more or less.
package struct SimulatedLoad: Hashable, Sendable {
  /// Of a thousand parts.
  package let permille: UInt32

  /// So many parts of a thousand.
  package init(permille: UInt32) { self.permille = min(1_000, permille) }

  /// Always the same for one machine: three quarters to five quarters of the part, and never more than it has.
  func used(by order: VMOrder) -> Resources {
    let own = 750 + Int64((order.id.raw &* 0x9E37_79B9_7F4A_7C15) >> 55) * 500 / 511
    func part(_ amount: Int32) -> Int32 { Int32(min(Int64(amount), Int64(amount) * Int64(permille) * own / 1_000_000)) }
    let all = order.resources
    return Resources(
      cpu: part(all.cpu), memory: part(all.memory), disk: part(all.disk), bandwidth: part(all.bandwidth))
  }
}

/// The simulated machines of one node.
package final class SimulatedVMs: VMBackend {
  private struct Machine {
    let order: VMOrder
    /// When it has come up, or failed to.
    let upAt: Duration
    /// Whether it fails instead of coming up.
    let fails: Bool
    /// When it dies by itself.
    let diesAt: Duration?
    /// Until when it waits for the node that has it; nil = it is here.
    var comesUntil: Duration?
    /// Whether it was only prepared.
    var isPrepared = false
    /// When it is down after it was asked.
    var downAt: Duration?
    /// What became final, kept because the faults may change.
    var ended: ObservedVM.Phase?
    var detail = ""
  }

  /// How long one that is taken over waits for the other node.
  package static let patience = Duration.seconds(3)

  /// What goes wrong from now on.
  package var faults = SimulatedFaults.none
  /// Takes a machine over from the node where it runs, which then has stopped it; false = it cannot be had now. Without
  /// it nothing is asked: whatever comes from another node is taken for let go when it has come up here.
  package var takeOver: ((VMOrder) -> Bool)?
  /// How busy machines pretend to be; nil = that is not told.
  package var load: SimulatedLoad?
  private let times: SimulatedTimes
  private let clock: () -> Duration
  private var random: UInt64
  private var machines: [VMID: Machine] = [:]

  /// No machines yet; `clock` gives the time since any instant and never goes back.
  package init(seed: UInt64, times: SimulatedTimes = SimulatedTimes(), clock: @escaping () -> Duration) {
    (random, self.times, self.clock) = (seed, times, clock)
  }

  /// `simulated`.
  package static let backendName = BackendName(trusted: "simulated")
  /// `simulated`.
  package var name: BackendName { Self.backendName }
  /// Whatever can be pretended.
  package var capabilities: VMCapabilities {
    VMCapabilities(prepares: true, pins: true, passesDevices: true)
  }

  /// All machines, in order of their ids; those that are ready to be taken over are.
  package func observe() -> [ObservedVM] {
    let now = clock()
    // In order, so that a run is the same each time.
    for id in machines.filter({ $0.value.comesUntil != nil }).keys.sorted() {
      guard var machine = machines[id] else { continue }
      come(&machine, now)
      machines[id] = machine
    }
    return watch()
  }

  /// The same for whoever only looks on: nothing is taken over.
  package func watch() -> [ObservedVM] {
    let now = clock()
    return machines.keys.sorted().map { id in
      settle(&machines[id]!, now)
      let machine = machines[id]!
      let phase = phase(machine, now)
      return ObservedVM(
        machine.order, phase, detail: machine.detail, used: phase == .running ? load?.used(by: machine.order) : nil)
    }
  }

  /// Whether a machine is not one that another node still has.
  package func isHere(_ id: VMID) -> Bool { machines[id].map { $0.comesUntil == nil } ?? false }

  /// Has at hand what a machine needs, which takes no time.
  package func prepare(_ order: VMOrder) {
    guard machines[order.id] == nil else { return }
    machines[order.id] = Machine(order: order, upAt: .zero, fails: false, diesAt: nil, isPrepared: true)
  }

  /// Brings a machine up, unless one of this id is there that was started.
  package func ensure(_ order: VMOrder) {
    guard machines[order.id]?.isPrepared ?? true else { return }
    let now = clock()
    let upAt = now + draw(times.start)
    let fails = draw(1_000_000) < faults.startFailuresPerMillion
    let dies = draw(1_000_000) < faults.crashesPerMillion
    let diesAt = upAt + draw(.zero ... .seconds(60))
    var machine = Machine(order: order, upAt: upAt, fails: fails, diesAt: dies ? diesAt : nil)
    if order.isIncoming { machine.comesUntil = now + Self.patience }
    machines[order.id] = machine
  }

  /// Brings a machine down.
  package func stop(_ id: VMID, epoch: UInt64, graceSeconds: UInt32) {
    guard var machine = machines[id], machine.order.epoch == epoch, !machine.isPrepared else { return }
    let now = clock()
    settle(&machine, now)
    if machine.ended == nil {
      let wanted = now + min(.seconds(graceSeconds), times.stop)
      machine.downAt = min(machine.downAt ?? wanted, wanted)
      // At once means now, not at the next look.
      settle(&machine, now)
    }
    machines[id] = machine
  }

  /// Clears away a machine that is down.
  package func remove(_ id: VMID, epoch: UInt64) {
    guard var machine = machines[id], machine.order.epoch == epoch else { return }
    settle(&machine, clock())
    machines[id] = machine.ended == nil && !machine.isPrepared ? machine : nil
  }

  /// Until the first of them changes by itself.
  package var quietFor: Duration? {
    let now = clock()
    let next = machines.values.compactMap { machine -> Duration? in
      guard machine.ended == nil, !machine.isPrepared else { return nil }
      if let down = machine.downAt { return faults.stopsHang ? nil : down }
      return now < machine.upAt ? machine.upAt : machine.diesAt
    }.min()
    return next.map { max(.zero, $0 - now) } ?? .seconds(3_600)
  }

  private func phase(_ machine: Machine, _ now: Duration) -> ObservedVM.Phase {
    if machine.isPrepared { return .prepared }
    if let ended = machine.ended { return ended }
    if machine.downAt != nil { return .stopping }
    return now < machine.upAt || machine.comesUntil != nil ? .starting : .running
  }

  /// Takes over what is ready for it.
  private func come(_ machine: inout Machine, _ now: Duration) {
    settle(&machine, now)
    guard let end = machine.comesUntil, phase(machine, now) == .starting, now >= machine.upAt else { return }
    if takeOver.map({ $0(machine.order) }) ?? true {
      machine.comesUntil = nil
    } else if now >= end {
      (machine.ended, machine.detail) = (.failed, "it could not be had from the other node")
    }
  }

  /// Makes final what has become so by now.
  private func settle(_ machine: inout Machine, _ now: Duration) {
    guard machine.ended == nil, !machine.isPrepared else { return }
    if let down = machine.downAt {
      if !faults.stopsHang, now >= down { machine.ended = .down }
    } else if machine.fails, now >= machine.upAt {
      (machine.ended, machine.detail) = (.failed, "simulated: it did not come up")
    } else if let dies = machine.diesAt, now >= dies {
      (machine.ended, machine.detail) = (.failed, "simulated: it died")
    }
  }

  private func draw(_ range: ClosedRange<Duration>) -> Duration {
    let span = (range.upperBound - range.lowerBound).components
    let microseconds = UInt64(span.seconds * 1_000_000 + span.attoseconds / 1_000_000_000_000)
    return range.lowerBound + .microseconds(Int64(draw(microseconds + 1)))
  }

  /// SplitMix64, as in TestSupport; a number below `bound`.
  private func draw(_ bound: UInt64) -> UInt64 {
    random &+= 0x9E37_79B9_7F4A_7C15
    var mixed = random
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return (mixed ^ (mixed >> 31)) % bound
  }
}
