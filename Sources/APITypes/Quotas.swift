package import Domain
package import Wire

/// Reads the body of `PUT /api/v1/tenants/{tenant}/quota`; a limit that is left out or null is none.
package func decodeQuota(_ body: [UInt8], _ tenant: TenantName) throws(JSONFault) -> Quota {
  var reader = JSONReader(body)
  var quota = Quota(tenant: tenant)
  var hasLimits = false
  try reader.object { (key, reader) throws(JSONFault) in
    switch key {
    case "limits":
      hasLimits = true
      try quota.readLimits(&reader)
    default: if try !quota.readBurst(key, &reader) { throw reader.unknownField(key) }
    }
  }
  try reader.end()
  guard hasLimits else { throw reader.missing("limits") }
  return quota
}

extension Quota {
  /// As the HTTP API names an item: amounts with their units.
  package static func key(_ item: Item) -> StaticString {
    switch item {
    case .vms: "vms"
    case .cpu: "vcpus"
    case .memory: "memory_mib"
    case .disk: "disk_mib"
    case .addresses: "addresses"
    case .devices: "devices"
    case .vmsPerNode: "vms_per_node"
    case .money: "monthly_micros"
    }
  }

  /// No limit is higher, so that adding a burst cannot overflow.
  static let most: UInt64 = 1 << 52

  fileprivate mutating func readLimits(_ reader: inout JSONReader) throws(JSONFault) {
    var read = self
    try reader.object { (key, reader) throws(JSONFault) in
      guard let item = Item.allCases.first(where: { Quota.key($0) ~= key }) else { throw reader.unknownField(key) }
      if try reader.null() { return read[item] = nil }
      read[item] = item == .cpu ? try reader.thousandths(Quota.most) : try reader.whole(0...Quota.most)
    }
    self = read
  }

  fileprivate mutating func readBurst(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "burst_percent": burstPercent = try reader.whole(0...1_000)
    case "burst_seconds": burstSeconds = try reader.seconds()
    case "alert_percents":
      alertPercents = try reader.list(atMost: Limits.alerts) { (reader) throws(JSONFault) in
        try reader.whole(1...Limits.alertPercent)
      }
    default: return false
    }
    return true
  }
}

/// A tenant's quota and what it uses, as the API shows them.
package struct QuotaView: Hashable, Sendable {
  /// The quota; one without limits if the tenant has none.
  package let quota: Quota
  /// What is in use; nil in answers to writes and in events.
  package let usage: Quota.Usage?
  /// What was spent this month, in percent of the limit, rounded down; nil without such a limit, or in answers to writes.
  package var budgetUsedPercent: Int?

  /// Joins the two.
  package init(_ quota: Quota, _ usage: Quota.Usage?, budgetUsedPercent: Int? = nil) {
    (self.quota, self.usage, self.budgetUsedPercent) = (quota, usage, budgetUsedPercent)
  }
}

extension JSONWriter {
  /// Writes a quota.
  package mutating func quota(_ view: QuotaView) {
    let quota = view.quota
    object { out in
      out.field("tenant", quota.tenant)
      out.key("limits")
      out.object { out in for item in Quota.Item.allCases { out.amount(item, quota[item]) } }
      out.field("burst_percent", quota.burstPercent)
      out.field("burst_seconds", quota.burstSeconds)
      out.key("alert_percents")
      out.array { out in for percent in quota.alertPercents { out.number(percent) } }
      out.field("budget_alert_percent", quota.alerted == 0 ? nil : quota.alerted)
      if let usage = view.usage {
        out.key("usage")
        out.object { out in
          for item in Quota.Item.allCases where item != .vmsPerNode { out.amount(item, usage[item]) }
        }
        out.field("budget_used_percent", view.budgetUsedPercent)
      }
      out.field("revision", quota.revision)
    }
  }

  private mutating func amount(_ item: Quota.Item, _ amount: UInt64?) {
    if item == .cpu { field(Quota.key(item), thousandths: amount) } else { field(Quota.key(item), amount) }
  }
}

extension JSONReader {
  /// Reads a quota from an answer.
  package mutating func quotaView() throws(JSONFault) -> QuotaView {
    var tenant: TenantName?
    var read = Quota(tenant: .standard)
    var usage: Quota?
    var percent: Int?
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "tenant": tenant = try reader.name()
      case "limits": try read.readLimits(&reader)
      case "usage":
        var amounts = Quota(tenant: .standard)
        try amounts.readLimits(&reader)
        usage = amounts
      case "budget_alert_percent": read.alerted = try reader.null() ? 0 : try reader.integer()
      case "budget_used_percent": percent = try reader.null() ? nil : try reader.integer()
      case "revision": read.revision = try reader.integer()
      default: if try !read.readBurst(key, &reader) { throw reader.unknownField(key) }
      }
    }
    guard let tenant else { throw missing("tenant") }
    var quota = Quota(
      tenant: tenant, burstPercent: read.burstPercent, burstSeconds: read.burstSeconds, revision: read.revision)
    (quota.limits, quota.alertPercents, quota.alerted) = (read.limits, read.alertPercents, read.alerted)
    var used: Quota.Usage?
    if let usage {
      var amounts = Quota.Usage()
      for item in Quota.Item.allCases { amounts[item] = usage[item] ?? 0 }
      used = amounts
    }
    return QuotaView(quota, used, budgetUsedPercent: percent)
  }
}
