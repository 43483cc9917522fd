import Domain

/// All that the fleet keeps of a VM on a node.
struct VMRecord {
  let id: UInt64
  let key: VMKey
  let shape: RequestShape
  let rules: RuleSet?
  let node: NodeName
  let priority: UInt16
  let isPreemptible: Bool
  let seat: Seat
  let preemptedAt: LogTime
}

/// VMs by slot: what every VM has in arrays, what few have in dictionaries.
struct VMTable {
  var slots = IDTable()
  var id: [UInt64] = []
  var name: [VMName] = []
  var tenant: [Int32] = []
  var shape: [Int32] = []
  var rules: [Int32] = []
  var node: [Int32] = []
  var next: [Int32] = []
  var previous: [Int32] = []
  var priority: [UInt16] = []
  var isPreemptible: [Bool] = []
  var seats: [Int32: Seat] = [:]
  var preemptedAt: [Int32: LogTime] = [:]
  var tenants = Interned<TenantName>()
  private var vacant: [Int32] = []

  /// A slot whose arrays are to be filled in.
  mutating func newSlot() -> Int {
    if let slot = vacant.popLast() { return Int(slot) }
    id.append(0)
    name.append(VMName(trusted: ""))
    tenant.append(0)
    shape.append(0)
    rules.append(-1)
    node.append(-1)
    next.append(-1)
    previous.append(-1)
    priority.append(0)
    isPreemptible.append(false)
    return id.count - 1
  }

  mutating func free(_ slot: Int) {
    name[slot] = VMName(trusted: "")
    isPreemptible[slot] = false
    vacant.append(Int32(slot))
  }

  var residentBytes: Int {
    slots.residentBytes + id.capacity * (8 + 16 + 4 * 6 + 2 + 1) + seats.count * 64 + preemptedAt.count * 24
  }
}
