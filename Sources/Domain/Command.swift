package import Addressing

/// Everything that can be asked of the ledger; one command is one entry in the log, or none.
package enum Command: Sendable {
  /// Make a pool; its `createdAt` and `revision` are filled in.
  case createPool(Pool)
  /// Change a pool in place; also growing and shrinking it.
  case updatePool(PoolName, PoolPatch, ifMatch: Revision?)
  /// Grow a pool, never shrink it.
  case expandPool(PoolName, PoolPatch)
  /// Give a pool back the extent it had before its last change of extent.
  case rollbackPool(PoolName)
  /// Remove an empty pool.
  case deletePool(PoolName, ifMatch: Revision?)
  /// Exclude addresses from being given out.
  case reserve(PoolName, AddressRange, reason: String)
  /// Make a reservation's addresses available again.
  case unreserve(PoolName, first: IPAddress)
  /// Give addresses to a holder.
  case allocate(AllocateRequest)
  /// Take addresses back.
  case release(ReleaseTarget)
  /// Change what is noted beside an allocation.
  case updateAllocation(AllocationTarget, AllocationPatch)
  /// Let a lease live on; nil = the pool's length.
  case renew(AllocationTarget, leaseSeconds: UInt32?)
  /// End what is due; only actor `system` asks.
  case expire([DueRow])
  /// Take over an inventory.
  case importRows([ImportRow], skipConflicts: Bool, label: String)
  /// Make a token.
  case createToken(TokenRequest)
  /// End a token.
  case revokeToken(TokenID)
  /// Use a token of enrolment up.
  case enrol(EnrolRequest)
  /// Whatever concerns nodes and VMs.
  case fleet(FleetCommand)
  /// What `allocate` would give now; changes nothing.
  case suggest(PoolName)
  /// The largest free blocks of at least this length; changes nothing.
  case freeBlocks(PoolName, length: Int, limit: Int)
}

/// What to change of a pool; nil = leave it, a nil inside = set it to none.
package struct PoolPatch: Sendable {
  /// The new network.
  package var cidr: Prefix?
  /// The new gateway.
  package var gateway: IPAddress??
  /// The new ranges; empty = all hosts.
  package var ranges: [AddressRange]?
  /// The new name servers.
  package var dns: [IPAddress]?
  /// The new VLAN.
  package var vlan: UInt16??
  /// The new MTU.
  package var mtu: UInt16??
  /// The new place it serves.
  package var topology: Topology?
  /// The new strategy.
  package var strategy: Strategy?
  /// The new rest for released addresses.
  package var quarantineSeconds: UInt32?
  /// The new length of leases.
  package var leaseSeconds: UInt32?
  /// Whether it gives out addresses from now on.
  package var enabled: Bool?
  /// Whether hosts translate.
  package var nat: Bool?
  /// The new labels, replacing all.
  package var labels: Labels?

  /// Changes nothing yet.
  package init() {}
}

/// Who wants addresses, from where, and which.
package struct AllocateRequest: Sendable {
  /// One pool by name, or a choice.
  package enum Source: Sendable {
    /// This pool.
    case pool(PoolName)
    /// For each family the best pool that serves this place and carries these labels.
    case choose([AddressFamily], Topology, Labels)
  }

  /// Where from.
  package var source: Source
  /// For whom.
  package var holder: Holder
  /// Exactly this address (of a child prefix: its network address).
  package var address: IPAddress?
  /// A child prefix of this length instead of an address.
  package var prefixLength: Int?
  /// How many; nil = one.
  package var count: Int?
  /// Whether several must be one run without gaps.
  package var contiguous = false
  /// The guest's name.
  package var hostname: Hostname?
  /// The guest's hardware address.
  package var mac: MACAddress?
  /// The host that will carry it.
  package var node: NodeName?
  /// The length of the lease; nil = the pool's.
  package var leaseSeconds: UInt32?
  /// The operator's labels.
  package var labels = Labels.none
  /// Who answers for it; nil = whoever asks.
  package var manager: Manager?

  /// Asks for one address of `source`.
  package init(_ source: Source, holder: Holder) { (self.source, self.holder) = (source, holder) }
}

/// What to take back.
package enum ReleaseTarget: Sendable {
  /// The allocation at an address.
  case address(AllocationTarget)
  /// Everything of an owner, or only that of one pool or interface.
  case owner(TenantName, OwnerName, pool: PoolName?, interface: InterfaceName?)
}

/// One allocation by its address; `generation` and `ifMatch` guard against touching a newer one.
package struct AllocationTarget: Sendable {
  /// The pool.
  package var pool: PoolName
  /// The address, or a child prefix's network address.
  package var ip: IPAddress
  /// Only if it is this tenant's; another's is as if not there.
  package var tenant: TenantName?
  /// Only if it is still this incarnation.
  package var generation: Revision?
  /// Only if nothing changed since this revision.
  package var ifMatch: Revision?

  /// Names an allocation.
  package init(
    pool: PoolName, ip: IPAddress, tenant: TenantName? = nil, generation: Revision? = nil, ifMatch: Revision? = nil
  ) {
    (self.pool, self.ip, self.tenant) = (pool, ip, tenant)
    (self.generation, self.ifMatch) = (generation, ifMatch)
  }
}

/// What to change beside an allocation; nil = leave it, a nil inside = set it to none.
package struct AllocationPatch: Sendable {
  /// The new name.
  package var hostname: Hostname??
  /// The new hardware address.
  package var mac: MACAddress??
  /// The new host.
  package var node: NodeName??
  /// The new labels, replacing all.
  package var labels: Labels?

  /// Changes nothing yet.
  package init() {}
}

/// A lease or a quarantine whose time has come.
package struct DueRow: Hashable, Sendable {
  /// The pool.
  package let pool: PoolName
  /// The address or child prefix's network address.
  package let ip: IPAddress
  /// When it was due; re-checked against the row.
  package let due: LogTime

  /// Names a due row.
  package init(pool: PoolName, ip: IPAddress, due: LogTime) { (self.pool, self.ip, self.due) = (pool, ip, due) }
}

/// A line of an inventory.
package struct ImportRow: Hashable, Sendable {
  /// Its line or index in the source, from 1.
  package let line: Int
  /// The pool; nil = the one that contains the address.
  package let pool: PoolName?
  /// The address.
  package let ip: IPAddress
  /// Who holds it.
  package let holder: Holder
  /// The guest's hardware address.
  package let mac: MACAddress?
  /// The guest's name.
  package let hostname: Hostname?

  /// Makes a row as it is.
  package init(line: Int, pool: PoolName?, ip: IPAddress, holder: Holder, mac: MACAddress?, hostname: Hostname?) {
    (self.line, self.pool, self.ip, self.holder, self.mac, self.hostname) = (line, pool, ip, holder, mac, hostname)
  }
}

/// A command with who asks and how; an immutable object, because it is handed on many times.
package final class Submission: Sendable {
  /// What is asked.
  package let command: Command
  /// Who asks; `system` for the engine itself.
  package let actor: String
  /// The id that ties the answer, the log line and the entry together.
  package let requestID: String
  /// What was asked in the caller's words, for the audit: method, path and body.
  package let asked: String
  /// Makes a repeat of this request give the same answer.
  package let idempotency: IdempotencyKey?
  /// Decide and answer, but change nothing.
  package let dryRun: Bool

  /// Makes a submission; over-long texts are cut.
  package init(
    _ command: Command, actor: String, requestID: String, asked: String, idempotency: IdempotencyKey? = nil,
    dryRun: Bool = false
  ) {
    self.command = command
    self.actor = actor.cut(to: Limits.actorBytes)
    self.requestID = requestID.cut(to: Limits.actorBytes)
    self.asked = asked.utf8.count <= Limits.askedBytes ? asked : asked.cut(to: Limits.askedBytes - 3) + "..."
    self.idempotency = idempotency
    self.dryRun = dryRun
  }
}

/// What an `Idempotency-Key` comes down to.
package struct IdempotencyKey: Hashable, Sendable {
  /// A digest of (principal, key).
  package let key: UInt128
  /// A digest of the request.
  package let request: UInt128

  /// Takes the two digests.
  package init(key: UInt128, request: UInt128) { (self.key, self.request) = (key, request) }
}

extension String {
  /// The longest beginning of whole code points in at most `limit` bytes; a grapheme alone may be any length.
  fileprivate func cut(to limit: Int) -> String {
    if utf8.count <= limit { return self }
    var end = utf8.index(startIndex, offsetBy: limit)
    while utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
    return String(self[..<end])
  }
}
