/// What a tenant may have at most; nil = any amount.
package struct Quota: Hashable, Sendable {
  /// What is counted.
  package enum Item: UInt8, Hashable, Sendable, CaseIterable {
    /// VMs.
    case vms = 0
    /// Thousandths of a vCPU.
    case cpu = 1
    /// MiB of memory.
    case memory = 2
    /// MiB of disk.
    case disk = 3
    /// Addresses.
    case addresses = 4
    /// Devices.
    case devices = 5
    /// VMs on one node.
    case vmsPerNode = 6
    /// Millionths a month.
    case money = 7

    /// As in the API.
    package var name: String { self == .vmsPerNode ? "vms_per_node" : Self.names[Int(rawValue)] }
    private static let names = allCases.map { "\($0)" }
  }

  /// Whose.
  package let tenant: TenantName
  /// The limit of each item, by its number.
  package var limits: [UInt64?]
  /// By how many percent a tenant may go over for a while.
  package var burstPercent: UInt16
  /// For how long.
  package var burstSeconds: UInt32
  /// Since when the tenant has been over its limits; nil = it is not.
  package var burstSince: LogTime?
  /// At which parts of the monthly budget it is told, in percent, in order; at most `Limits.alerts`.
  package var alertPercents = Quota.usualAlerts
  /// The highest of them that a month of what runs now has reached; 0 = none.
  package var alerted: UInt16 = 0
  /// The entry that last changed it.
  package var revision: Revision

  /// Told at four fifths of the budget, and when it is used up.
  package static let usualAlerts: [UInt16] = [80, 100]

  /// No limits yet.
  package init(tenant: TenantName, burstPercent: UInt16 = 0, burstSeconds: UInt32 = 0, revision: Revision = 0) {
    (self.tenant, self.burstPercent, self.burstSeconds) = (tenant, burstPercent, burstSeconds)
    self.revision = revision
    limits = [UInt64?](repeating: nil, count: Item.allCases.count)
  }

  /// The limit of one item.
  package subscript(item: Item) -> UInt64? {
    get { limits[Int(item.rawValue)] }
    set { limits[Int(item.rawValue)] = newValue }
  }

  /// Whether the tenant may go over its limits at `time`.
  package func mayBurst(at time: LogTime) -> Bool {
    burstPercent > 0 && (burstSince.map { time - $0 < LogTime(burstSeconds) * 1_000_000 } ?? true)
  }

  /// Whether `used` is over a limit, burst left aside.
  package func isExceeded(by used: Usage) -> Bool {
    Item.allCases.contains { item in self[item].map { used[item] > $0 } ?? false }
  }

  /// The highest threshold that a month of `used` reaches; 0 = none, or no budget.
  package func alert(at used: Usage) -> UInt16 {
    guard let budget = self[.money], used[.money] > 0 else { return 0 }
    return alertPercents.last { UInt128(used[.money]) * 100 >= UInt128(budget) * UInt128($0) } ?? 0
  }

  /// A limit that a request would break.
  package struct Excess: Hashable, Sendable {
    /// Of what.
    package let item: Item
    /// The limit, burst included.
    package let limit: UInt64
    /// What is in use.
    package let used: UInt64
    /// What was asked for.
    package let asked: UInt64

    /// In words.
    package var text: String { "\(item.name): limit \(limit), used \(used), asked \(asked)" }
  }

  /// The first limit that `asked` more would break; `mayBurst` while the tenant's time over its limits is not used up.
  package func excess(used: Usage, asked: Usage, mayBurst: Bool) -> Excess? {
    for item in Item.allCases {
      guard let base = self[item], asked[item] > 0 else { continue }
      let limit = mayBurst && item != .vmsPerNode ? base + base * UInt64(burstPercent) / 100 : base
      if used[item] + asked[item] > limit {
        return Excess(item: item, limit: limit, used: used[item], asked: asked[item])
      }
    }
    return nil
  }

  /// Amounts of each item.
  package struct Usage: Hashable, Sendable {
    /// By item; a vector, because these are made and thrown away several times for each VM.
    private var amounts: SIMD8<UInt64> = .zero

    /// Nothing.
    package init() {}

    /// What a VM takes, a standby's room included; its money and its addresses are for the caller to add.
    package init(of spec: VMSpec) { self.init(spec.resources, spec.devices, hasStandby: spec.hasStandby) }

    /// The same of a VM as it is, whose spec is not copied for that.
    package init(of vm: VM) { self.init(vm.spec.resources, vm.spec.devices, hasStandby: vm.spec.hasStandby) }

    private init(_ resources: Resources, _ devices: [DeviceRequest], hasStandby: Bool) {
      let places: UInt64 = hasStandby ? 2 : 1
      self[.vms] = 1
      self[.cpu] = UInt64(resources.cpu) * places
      self[.memory] = UInt64(resources.memory) * places
      self[.disk] = UInt64(resources.disk) * places
      self[.devices] = devices.reduce(0) { $0 + UInt64($1.count) }
    }

    /// The amount of one item.
    package subscript(item: Item) -> UInt64 {
      get { amounts[Int(item.rawValue)] }
      set { amounts[Int(item.rawValue)] = newValue }
    }

    /// So many times as much.
    package func times(_ count: Int) -> Usage {
      var sum = self
      for item in Item.allCases { sum[item] *= UInt64(count) }
      return sum
    }

    /// Adds what another takes.
    package mutating func add(_ other: Usage) {
      for item in Item.allCases { self[item] += other[item] }
    }

    /// Takes away what another took.
    package mutating func remove(_ other: Usage) {
      for item in Item.allCases { self[item] -= other[item] }
    }
  }
}

/// Room on a node that is kept for a tenant.
package struct CapacityReservation: Hashable, Sendable {
  /// Its name.
  package let name: CapacityName
  /// Whose VMs may use it.
  package let tenant: TenantName
  /// The node.
  package let node: NodeName
  /// What was asked for.
  package let asked: Resources
  /// What is still kept: each VM that uses it takes its part for good.
  package var left: Resources
  /// A VM of a higher priority may use it too, if it may take from others.
  package let priority: UInt16
  /// When it ends; nil = never.
  package let expiresAt: LogTime?
  /// Why, in the operator's words.
  package let reason: String
  /// When it was made.
  package let createdAt: LogTime
  /// The entry that last changed it.
  package var revision: Revision

  /// Makes a reservation as it is.
  package init(
    name: CapacityName, tenant: TenantName, node: NodeName, asked: Resources, left: Resources? = nil, priority: UInt16,
    expiresAt: LogTime? = nil, reason: String = "", createdAt: LogTime = 0, revision: Revision = 0
  ) {
    (self.name, self.tenant, self.node, self.asked, self.left) = (name, tenant, node, asked, left ?? asked)
    (self.priority, self.expiresAt, self.reason) = (priority, expiresAt, reason)
    (self.createdAt, self.revision) = (createdAt, revision)
  }
}
