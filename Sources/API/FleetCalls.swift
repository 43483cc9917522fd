internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Platform
internal import Wire

/// What the routes of nodes and VMs share.
extension Call {
  /// The node in the path.
  func node() throws(Problem) -> NodeName { try name(0, .nodeNotFound, "node") }

  /// The VM in the path, of the tenant in the query or of the caller's own; another tenant's is as if not there.
  func vmKey() throws(Problem) -> VMKey {
    let name: VMName = try name(0, .vmNotFound, "VM")
    let named: TenantName? = try self.name("tenant")
    if let own = onlyTenant, let named, named != own { throw .noVM(VMKey(tenant: named, name: name)) }
    return VMKey(tenant: named ?? ownTenant, name: name)
  }

  /// The VM that a body asks for. Whoever may touch one tenant alone drives out that tenant's VMs alone.
  func vmRequest() throws(Problem) -> VMRequest {
    let own = ownTenant
    var request = try body { (body) throws(JSONFault) in try decodeVM(body, tenant: own) }
    _ = try visibility.tenant(named: request.key.tenant)
    if onlyTenant != nil { request.spec.preemption = request.spec.preemption.withinTenant }
    return request
  }

  /// The tenant in the path; another than the caller's is as if it had nothing.
  func tenantInPath() throws(Problem) -> TenantName {
    let tenant: TenantName = try name(0, .quotaNotFound, "tenant")
    if let own = onlyTenant, own != tenant { throw .noQuota(tenant) }
    return tenant
  }

  /// One of some words in the query.
  func word<T: CaseIterable>(_ parameter: String, _ name: (T) -> String) throws(Problem) -> T? {
    guard let text = request.query(parameter) else { return nil }
    guard let found = T.allCases.first(where: { name($0) == text }) else {
      throw .invalid(parameter, "must be one of \(T.allCases.map(name).joined(separator: ", "))")
    }
    return found
  }

  /// The name of a place in the query.
  func place(_ parameter: String) throws(Problem) -> String? {
    guard let text = request.query(parameter) else { return nil }
    guard Topology.accepts(text) else { throw .invalid(parameter, "must be \(Topology.rule)") }
    return text
  }

  /// Submits a command about the fleet.
  func submit(
    _ command: FleetCommand, counting: (@Sendable (Outcome) -> Void)? = nil,
    render: @escaping @Sendable (FleetOutcome) -> Rendered
  ) throws(Problem) {
    let fleet = api.counts.fleet
    let isDry = isCommand ? try flag("dry_run") : true
    try submit(
      .fleet(command),
      renaming: { rejection in
        if !isDry { fleet.refused(command, rejection.code) }
        return Problem(rejection)
      }, counting: counting
    ) { outcome in
      guard case .fleet(let answer) = outcome else { unexpected(outcome) }
      return render(answer)
    }
  }
}

/// What an answer about the fleet looks like.
extension Rendered {
  /// A document with the revision of the object in it.
  init(revision: Revision, _ write: (inout JSONWriter) -> Void) {
    var out = JSONWriter(capacity: 1_024)
    write(&out)
    self.init(headers: [("ETag", "\"\(revision)\"")], body: out.finish())
  }

  /// A document.
  init(_ write: (inout JSONWriter) -> Void) {
    var out = JSONWriter(capacity: 1_024)
    write(&out)
    self.init(body: out.finish())
  }
}

extension Problem {
  static func noNode(_ name: NodeName) -> Problem {
    Problem(Rejection(.nodeNotFound, "there is no node '\(name)': see `berth node list`", field: "node"))
  }

  static func noVM(_ key: VMKey) -> Problem {
    Problem(
      Rejection(.vmNotFound, "there is no VM '\(key.name)' of tenant \(key.tenant): see `berth vm list`", field: "vm"))
  }

  static func noQuota(_ tenant: TenantName) -> Problem {
    Problem(Rejection(.quotaNotFound, "tenant \(tenant) has no quota: see `berth tenant quota`", field: "tenant"))
  }
}

/// Rows of the fleet with what is known beside them.
extension Tables {
  /// A VM as the API shows it now.
  func view(of vm: VM, at time: LogTime) -> VMView {
    VMView(PlacedVM(vm, grants(of: vm)), hourlyPrice: .some(hourlyPrice(of: vm, at: time)))
  }

  /// What an hour of a VM costs where it is; nil without a node.
  func hourlyPrice(of vm: VM, at time: LogTime) -> Money? {
    vm.node.flatMap { node($0) }?.prices.rates(hour: Prices.hour(of: time)).hourly(vm.spec.resources)
  }

  /// What the clock says, and never before the newest entry.
  var now: LogTime { max(time, WallClock.microseconds) }
}

/// Visits nodes in the order of their names, a few in each hold of the reader lock, until `body` says false.
/// Returns the revision of the last look.
@discardableResult
func forEachNode(_ engine: Engine, after: NodeName?, _ body: (Node, Tables) -> Bool) -> Revision {
  var after = after
  while true {
    let (last, isOver, revision) = engine.read { tables -> (NodeName?, Bool, Revision) in
      let names = tables.nodeNames
      var (low, high) = (0, names.count)
      while low < high {
        let middle = (low + high) / 2
        if let after, names[middle] <= after { low = middle + 1 } else { high = after == nil ? 0 : middle }
      }
      let slice = names[low...].prefix(PoolWalk.slice)
      for name in slice {
        guard let node = tables.node(name) else { continue }
        if !body(node, tables) { return (name, true, tables.revision) }
      }
      return (slice.last, slice.count < PoolWalk.slice, tables.revision)
    }
    if isOver { return revision }
    after = last
  }
}
