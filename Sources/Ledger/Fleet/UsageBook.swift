import Domain

/// What each tenant uses: VMs that are wanted or have a node, and what those on nodes, with what their standbys keep,
/// cost a month.
struct UsageBook: Equatable {
  private var byTenant: [TenantName: Quota.Usage] = [:]

  init(_ known: [TenantName: Quota.Usage] = [:]) { byTenant = known }

  subscript(tenant: TenantName) -> Quota.Usage { byTenant[tenant] ?? Quota.Usage() }

  /// Counts a VM, or no longer; `prices` are those of its node and of its standby's.
  mutating func count(_ vm: VM, _ prices: [Prices], isGone: Bool) {
    guard vm.isWanted || vm.node != nil else { return }
    var usage = Quota.Usage(of: vm)
    for prices in prices { usage[.money] += UInt64(prices.monthly(vm.spec.resources)) }
    change(vm.key.tenant) { if isGone { $0.remove(usage) } else { $0.add(usage) } }
  }

  /// A node's prices are others now: what a VM on it costs changes.
  mutating func reprice(_ tenant: TenantName, _ resources: Resources, from old: Prices, to new: Prices) {
    let (before, after) = (UInt64(old.monthly(resources)), UInt64(new.monthly(resources)))
    change(tenant) { $0[.money] = $0[.money] + after - before }
  }

  /// Counts addresses of a tenant.
  mutating func addresses(_ tenant: TenantName, _ change: Int) {
    self.change(tenant) { $0[.addresses] = UInt64(Int($0[.addresses]) + change) }
  }

  private mutating func change(_ tenant: TenantName, _ body: (inout Quota.Usage) -> Void) {
    let isNothing = { (usage: inout Quota.Usage) -> Bool in
      body(&usage)
      return usage == Quota.Usage()
    }(&byTenant[tenant, default: Quota.Usage()])
    if isNothing { byTenant[tenant] = nil }
  }

  /// The tenants that use anything, in order.
  var tenants: [TenantName] { byTenant.keys.sorted() }
}

extension VM {
  /// The nodes whose room is paid for by the month: its own, and that of its standby.
  var paidNodes: [NodeName] { [node, standby].compactMap(\.self) }
}
