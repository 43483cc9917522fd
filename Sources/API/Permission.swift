// Permissions: who may do what, in one table that the door reads and the documents print.
//
// A route needs one permission; a role grants some; a scope narrows where they hold. What a scope cannot narrow (counts
// that include others, imports, tokens) is not granted to it at all. What it can narrow is narrowed twice: the door
// compares the pool in the path, and the handler asks `Visibility` for rows and names.
internal import Domain
internal import HTTPServer

/// What a route asks of its caller.
enum Permission: String, Sendable, CaseIterable {
  /// Nothing: whoever reaches the port may.
  case open
  /// To be somebody, no matter who.
  case identity
  case poolsRead = "pools.read"
  case poolsCreate = "pools.create"
  case poolsWrite = "pools.write"
  /// Counts and free blocks, which include what others hold.
  case spaceRead = "space.read"
  case allocationsRead = "allocations.read"
  case allocationsWrite = "allocations.write"
  /// Addresses of pools that Berth chooses.
  case allocationsChoose = "allocations.choose"
  case historyRead = "history.read"
  case importRows = "import"
  case export = "export"
  case metricsRead = "metrics.read"
  case clockConfirm = "clock.confirm"
  case clusterRead = "cluster.read"
  case clusterWrite = "cluster.write"
  /// What a node tells of itself; a node's own certificate grants it too.
  case clusterReport = "cluster.report"
  case tokensRead = "tokens.read"
  case tokensWrite = "tokens.write"
  /// To get the certificate that a token of enrolment is for: no role grants it, such a token does, and nothing else.
  case enrol
  case securityRead = "security.read"
  case nodesRead = "nodes.read"
  case nodesWrite = "nodes.write"
  /// To say what a node has: an agent does at its start.
  case nodesRegister = "nodes.register"
  /// To speak for a node: heartbeats, and what became of its VMs.
  case agentReport = "agent.report"
  case vmsRead = "vms.read"
  case vmsWrite = "vms.write"
  /// Questions about the whole fleet.
  case planRead = "plan.read"
  case quotaRead = "quota.read"
  case quotaWrite = "quota.write"
  case capacityRead = "capacity.read"
  case capacityWrite = "capacity.write"
  case costRead = "cost.read"

  /// The roles that grant it.
  var roles: [Role] {
    switch self {
    case .open, .identity: Role.allCases
    case .enrol: []
    case .poolsRead, .historyRead: Role.allCases
    case .allocationsRead, .spaceRead, .export, .metricsRead, .clusterRead, .nodesRead, .vmsRead, .quotaRead,
      .capacityRead, .costRead:
      [.viewer, .operator, .poolAdmin, .auditor, .clusterAdmin]
    // A plan takes a turn of the writer, and a long one: it is for those who act on it.
    case .planRead: [.operator, .clusterAdmin]
    case .allocationsWrite, .allocationsChoose: [.operator, .poolAdmin, .clusterAdmin]
    case .poolsCreate, .poolsWrite, .importRows: [.poolAdmin, .clusterAdmin]
    case .nodesWrite, .vmsWrite, .capacityWrite: [.operator, .clusterAdmin]
    case .nodesRegister: [.operator, .agent, .clusterAdmin]
    case .agentReport: [.agent, .clusterAdmin]
    case .tokensRead, .securityRead: [.auditor, .clusterAdmin]
    case .clockConfirm, .clusterWrite, .clusterReport, .tokensWrite, .quotaWrite: [.clusterAdmin]
    }
  }

  /// Whether it can hold for one tenant alone.
  var reachesTenants: Bool {
    switch self {
    case .open, .identity, .poolsRead, .allocationsRead, .allocationsWrite, .allocationsChoose, .historyRead, .export,
      .vmsRead, .vmsWrite, .quotaRead, .capacityRead, .costRead:
      true
    case .poolsCreate, .poolsWrite, .spaceRead, .importRows, .metricsRead, .clockConfirm, .clusterRead, .clusterWrite,
      .clusterReport, .tokensRead, .tokensWrite, .enrol, .securityRead, .nodesRead, .nodesWrite, .nodesRegister,
      .agentReport, .planRead, .quotaWrite, .capacityWrite:
      false
    }
  }

  /// Whether it can hold for one pool alone.
  var reachesPools: Bool {
    switch self {
    case .open, .identity, .poolsRead, .poolsWrite, .spaceRead, .allocationsRead, .allocationsWrite, .historyRead,
      .export:
      true
    case .poolsCreate, .allocationsChoose, .importRows, .metricsRead, .clockConfirm, .clusterRead, .clusterWrite,
      .clusterReport, .tokensRead, .tokensWrite, .enrol, .securityRead, .nodesRead, .nodesWrite, .nodesRegister,
      .agentReport, .vmsRead, .vmsWrite, .planRead, .quotaRead, .quotaWrite, .capacityRead, .capacityWrite, .costRead:
      false
    }
  }

  /// Whether a role grants it.
  func isGranted(to role: Role) -> Bool {
    // An administrator may everything, and is asked most often where there are no tokens.
    self != .enrol && (role == .clusterAdmin || roles.contains(role))
  }

  /// Whether it can hold in a scope.
  func reaches(_ scope: Scope) -> Bool {
    switch scope {
    case .global: true
    case .tenant: reachesTenants
    case .pool: reachesPools
    }
  }
}

/// The table of permissions for the documents.
package enum PermissionTable {
  /// Roles and scopes by permission, and the routes of each, in Markdown.
  package static var markdown: String {
    var lines = ["| Permission | " + Role.allCases.map(\.name).joined(separator: " | ") + " | tenant | pool | Routes |"]
    lines.append("|" + String(repeating: " --- |", count: Role.allCases.count + 4))
    for permission in Permission.allCases {
      let roles = Role.allCases.map { permission.isGranted(to: $0) ? "x" : "" }
      let scopes = [permission.reachesTenants, permission.reachesPools].map { $0 ? "x" : "" }
      let routes = BerthAPI.table.filter { $0.permission == permission }.map {
        "`\($0.method.rawValue) \($0.pattern)`"
      }
      lines.append(
        "| `\(permission.rawValue)` | \((roles + scopes).joined(separator: " | ")) | \(routes.joined(separator: ", ")) |"
      )
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
