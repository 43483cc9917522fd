package import Addressing

/// Who answers for an allocation; only they release it.
package enum Manager: UInt8, Hashable, Sendable {
  /// A VM record of Berth: released with the VM only.
  case vm = 1
  /// A Kubernetes object.
  case kube = 2

  /// As in the API.
  package var name: String { self == .vm ? "vm" : "kube" }
}

/// An address, or a child prefix, in the hands of an owner.
///
/// An immutable object: it is handed on many times between its decision and its answer, and a value would count a
/// dozen references each time.
package final class Allocation: Sendable {
  /// The pool it comes from.
  package let pool: PoolName
  /// The address, or the whole child prefix; a single address has the full length.
  package let block: Prefix
  /// Whose it is.
  package let tenant: TenantName
  /// Who holds it.
  package let owner: OwnerName
  /// On which interface.
  package let interface: InterfaceName
  /// Which of several on that interface, from 0.
  package let index: UInt16
  /// The guest's name, if told.
  package let hostname: Hostname?
  /// The guest's hardware address, if told.
  package let mac: MACAddress?
  /// The host that carries it, if told.
  package let node: NodeName?
  /// Whether the address was asked for by number.
  package let isStatic: Bool
  /// Who answers for it; nil = whoever asked.
  package let manager: Manager?
  /// The operator's labels.
  package let labels: Labels
  /// When it was given.
  package let createdAt: LogTime
  /// When it ends unless renewed; nil = never.
  package let expiresAt: LogTime?
  /// The entry that gave it: no two allocations ever share one for the same address.
  package let generation: Revision
  /// The entry that last changed it.
  package let revision: Revision

  /// Makes an allocation as it is.
  package init(
    pool: PoolName, block: Prefix, tenant: TenantName = .standard, owner: OwnerName,
    interface: InterfaceName = .standard, index: UInt16 = 0, hostname: Hostname? = nil, mac: MACAddress? = nil,
    node: NodeName? = nil, isStatic: Bool = false, manager: Manager? = nil, labels: Labels = .none, createdAt: LogTime,
    expiresAt: LogTime? = nil, generation: Revision, revision: Revision
  ) {
    (self.pool, self.block, self.tenant, self.owner) = (pool, block, tenant, owner)
    (self.interface, self.index, self.hostname, self.mac, self.node) = (interface, index, hostname, mac, node)
    (self.isStatic, self.manager, self.labels, self.createdAt) = (isStatic, manager, labels, createdAt)
    (self.expiresAt, self.generation, self.revision) = (expiresAt, generation, revision)
  }

  /// The same allocation at a later revision, with other notes beside it.
  package func changed(
    hostname: Hostname?, mac: MACAddress?, node: NodeName?, labels: Labels, expiresAt: LogTime?, revision: Revision
  ) -> Allocation {
    Allocation(
      pool: pool, block: block, tenant: tenant, owner: owner, interface: interface, index: index, hostname: hostname,
      mac: mac, node: node, isStatic: isStatic, manager: manager, labels: labels, createdAt: createdAt,
      expiresAt: expiresAt, generation: generation, revision: revision)
  }

  /// The same allocation in the hands of a VM's record: no lease ends it, and its node is the VM's.
  package func managed(by manager: Manager, mac: MACAddress?, node: NodeName?, revision: Revision) -> Allocation {
    Allocation(
      pool: pool, block: block, tenant: tenant, owner: owner, interface: interface, index: index, hostname: hostname,
      mac: mac, node: node, isStatic: isStatic, manager: manager, labels: labels, createdAt: createdAt,
      generation: generation, revision: revision)
  }

  /// The address; of a child prefix its network address.
  package var ip: IPAddress { block.first }

  /// Whether it is a child prefix rather than one address.
  package var isChildPrefix: Bool { block.length < block.family.bitCount }

  /// Whether this owner, tenant and interface hold it.
  package func isHeld(by holder: Holder) -> Bool {
    owner == holder.owner && tenant == holder.tenant && interface == holder.interface
  }
}

extension Allocation: Hashable {
  /// Equal in all that they say.
  package static func == (a: Allocation, b: Allocation) -> Bool {
    if a === b { return true }
    return a.generation == b.generation && a.revision == b.revision && a.block == b.block && a.pool == b.pool
      && a.owner == b.owner && a.tenant == b.tenant && a.interface == b.interface && a.index == b.index
      && a.hasSameNotes(as: b) && a.isStatic == b.isStatic && a.manager == b.manager && a.createdAt == b.createdAt
  }

  /// Hashes what tells it from every other.
  package func hash(into hasher: inout Hasher) {
    hasher.combine(pool)
    hasher.combine(block)
    hasher.combine(generation)
    hasher.combine(revision)
  }

  /// Whether all that may be changed beside an allocation is equal.
  package func hasSameNotes(as other: Allocation) -> Bool {
    hostname == other.hostname && mac == other.mac && node == other.node && labels == other.labels
      && expiresAt == other.expiresAt
  }
}

/// An owner's interface: what repeated requests are recognised by.
package struct Holder: Hashable, Sendable {
  /// Whose it is.
  package var tenant: TenantName
  /// Who holds.
  package var owner: OwnerName
  /// On which interface.
  package var interface: InterfaceName

  /// Names a holder.
  package init(tenant: TenantName = .standard, owner: OwnerName, interface: InterfaceName = .standard) {
    (self.tenant, self.owner, self.interface) = (tenant, owner, interface)
  }
}

/// An address that was released: resting in quarantine, or remembered by the `oldest` strategy.
package struct Released: Hashable, Sendable {
  /// The pool it belongs to.
  package let pool: PoolName
  /// The address or child prefix.
  package let block: Prefix
  /// Who held it last.
  package let owner: OwnerName
  /// The entry that released it: the order of `oldest`.
  package let order: Revision
  /// When it was released.
  package let releasedAt: LogTime
  /// When the quarantine ends; nil = it is free already.
  package let quarantineUntil: LogTime?

  /// Makes a record as it is.
  package init(
    pool: PoolName, block: Prefix, owner: OwnerName, order: Revision, releasedAt: LogTime, quarantineUntil: LogTime?
  ) {
    (self.pool, self.block, self.owner) = (pool, block, owner)
    (self.order, self.releasedAt, self.quarantineUntil) = (order, releasedAt, quarantineUntil)
  }
}
