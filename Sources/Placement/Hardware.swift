import Domain

/// What of a node is given away piece by piece: processors, NUMA memory, devices, and what operators make up.
struct Hardware {
  private let parts: [NUMANode]
  private let devices: [Device]
  private let custom: [CustomAmount]
  private var takenDevices: UInt64 = 0
  private var takenCPUs = CPUSet.none
  private var boundCPU: [Int32]
  private var boundMemory: [Int32]
  private var customUsed: [UInt32]

  init(_ node: Node) {
    parts =
      node.numa.isEmpty
      ? [NUMANode(cpus: CPUSet(0..<min(Limits.cpus, Int(node.physical.cpu / 1_000))), memory: node.physical.memory)]
      : node.numa
    (devices, custom) = (node.devices, node.custom)
    boundCPU = [Int32](repeating: 0, count: parts.count)
    boundMemory = boundCPU
    customUsed = [UInt32](repeating: 0, count: custom.count)
  }

  var hasDevices: Bool { !devices.isEmpty }

  /// Seats a VM, or takes it off its seat again.
  mutating func take(_ amounts: Amounts, _ wishes: Wishes, _ seat: Seat, back: Bool = false) {
    let sign: Int32 = back ? -1 : 1
    for item in wishes.custom {
      guard let place = custom.firstIndex(where: { $0.name == item.name }) else { continue }
      customUsed[place] =
        back ? customUsed[place] - min(item.amount, customUsed[place]) : customUsed[place] + item.amount
    }
    for id in seat.devices {
      guard let place = devices.firstIndex(where: { $0.id == id }) else { continue }
      if back { takenDevices &= ~(1 << UInt64(place)) } else { takenDevices |= 1 << UInt64(place) }
    }
    if back { takenCPUs.subtract(seat.cpus) } else { takenCPUs.formUnion(seat.cpus) }
    if let numa = seat.numa, Int(numa) < parts.count {
      boundMemory[Int(numa)] += sign * amounts[1]
      if seat.cpus.isEmpty { boundCPU[Int(numa)] += sign * amounts[0] }
    }
  }

  /// A seat for a VM, or why there is none.
  func seat(for amounts: Amounts, _ wishes: Wishes) -> (seat: Seat?, reason: Reason) {
    for item in wishes.custom {
      guard let place = custom.firstIndex(where: { $0.name == item.name }),
        UInt64(customUsed[place]) + UInt64(item.amount) <= UInt64(custom[place].amount)
      else { return (nil, .custom) }
    }
    for item in wishes.devices where free(item.model).nonzeroBitCount < Int(item.count) { return (nil, .devices) }
    var seat = Seat()
    if wishes.isBacked {
      let reason = bind(amounts, wishes, &seat)
      if reason != .none { return (nil, reason) }
    }
    seat.devices = chooseDevices(wishes, near: seat.numa)
    return (seat, .none)
  }

  private func free(_ model: DeviceModel) -> UInt64 {
    var mask: UInt64 = 0
    for (place, device) in devices.enumerated() where device.model == model { mask |= 1 << UInt64(place) }
    return mask & ~takenDevices
  }

  private func chooseDevices(_ wishes: Wishes, near numa: UInt8?) -> [DeviceID] {
    var chosen: [DeviceID] = []
    for item in wishes.devices {
      let mask = free(item.model)
      let places = devices.indices.filter { mask >> UInt64($0) & 1 == 1 }
      let near = places.filter { devices[$0].numa == numa } + places.filter { devices[$0].numa != numa }
      chosen += near.prefix(Int(item.count)).map { devices[$0].id }
    }
    return chosen.sorted()
  }

  private func freeCPUs(_ part: Int) -> CPUSet { parts[part].cpus.subtracting(takenCPUs) }

  /// Thousandths of the part's processors that nobody is bound to.
  private func unbound(_ part: Int) -> Int32 { Int32(freeCPUs(part).count) * 1_000 - boundCPU[part] }

  /// The tightest NUMA node that has enough; a pinned VM that need not be in one may use several.
  private func bind(_ amounts: Amounts, _ wishes: Wishes, _ seat: inout Seat) -> Reason {
    let fitting = parts.indices.filter {
      unbound($0) >= amounts[0] && parts[$0].memory - boundMemory[$0] >= amounts[1]
    }
    let count = Int(amounts[0] / 1_000)
    if let part = fitting.min(by: { tightness($0) < tightness($1) }) {
      seat.numa = UInt8(part)
      if wishes.isPinned { seat.cpus = freeCPUs(part).lowest(count) }
      return .none
    }
    if wishes.isSingleNUMA { return .numa }
    var left = count
    for part in parts.indices.sorted(by: { (-unbound($0), $0) < (-unbound($1), $1) }) where left > 0 {
      let some = freeCPUs(part).lowest(min(left, Int(max(0, unbound(part)) / 1_000)))
      seat.cpus.formUnion(some)
      left -= some.count
    }
    return left == 0 ? .none : .pinning
  }

  private func tightness(_ part: Int) -> (Int32, Int32, Int) {
    (unbound(part), parts[part].memory - boundMemory[part], part)
  }

  /// All of it in words, for comparison.
  var fingerprint: String { "\(takenDevices) \(takenCPUs) \(boundCPU) \(boundMemory) \(customUsed)" }
}
