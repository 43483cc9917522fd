package import Domain
package import Wire

/// What a report of costs is about.
package enum CostGrouping: String, Hashable, Sendable, CaseIterable {
  case tenant, datacenter, vm
}

/// One line of a report of costs.
package struct CostItem: Hashable, Sendable {
  /// Whose; nil in a report by datacenter.
  package var tenant: TenantName?
  /// Which VM; only in a report by VM.
  package var vm: VMName?
  /// Where; only in a report by datacenter, and nil there for nodes that say nothing.
  package var datacenter: String?
  /// Thousandths of a vCPU times seconds.
  package var milliCPUSeconds: UInt64 = 0
  /// MiB of memory times seconds.
  package var memorySeconds: UInt64 = 0
  /// What it came to.
  package var amount: Money = 0

  /// Nothing yet.
  package init(tenant: TenantName? = nil, vm: VMName? = nil, datacenter: String? = nil) {
    (self.tenant, self.vm, self.datacenter) = (tenant, vm, datacenter)
  }
}

/// What a period came to.
package struct CostReport: Hashable, Sendable {
  /// From when.
  package var from: LogTime
  /// Until when.
  package var to: LogTime
  /// By what.
  package var grouping: CostGrouping
  /// All of it, also what is on other pages.
  package var total: Money
  /// The lines in order.
  package var items: [CostItem]
  /// Where it goes on.
  package var next: Cursor?

  /// Joins all of it.
  package init(from: LogTime, to: LogTime, grouping: CostGrouping, total: Money, items: [CostItem], next: Cursor?) {
    (self.from, self.to, self.grouping) = (from, to, grouping)
    (self.total, self.items, self.next) = (total, items, next)
  }
}

extension JSONWriter {
  /// Writes a report of costs.
  package mutating func costs(_ report: CostReport) {
    object { out in
      out.field("from", time: report.from)
      out.field("to", time: report.to)
      out.field("by", report.grouping.rawValue)
      out.field("total_micros", report.total)
      out.key("items")
      out.array { out in for item in report.items { out.cost(item, report.grouping) } }
      out.field("next_cursor", report.next?.text)
    }
  }

  private mutating func cost(_ item: CostItem, _ grouping: CostGrouping) {
    object { out in
      switch grouping {
      case .tenant: out.field("tenant", item.tenant)
      case .datacenter: out.field("datacenter", item.datacenter)
      case .vm:
        out.field("tenant", item.tenant)
        out.field("vm", item.vm)
      }
      out.field("vcpu_seconds", thousandths: item.milliCPUSeconds)
      out.field("memory_mib_seconds", item.memorySeconds)
      out.field("micros", item.amount)
    }
  }

  /// Writes one line of a bill.
  package mutating func interval(_ item: BilledInterval) {
    object { out in
      out.field("tenant", item.key.tenant)
      out.field("vm", item.key.name)
      out.field("id", item.id.raw)
      out.field("node", item.node)
      out.field("datacenter", item.datacenter)
      out.field("from", time: item.from)
      out.field("to", time: item.to)
      out.amounts(item.resources)
      out.field("micros", item.amount)
    }
  }
}

extension JSONReader {
  /// Reads a report of costs from an answer.
  package mutating func costReport() throws(JSONFault) -> CostReport {
    var report = CostReport(from: 0, to: 0, grouping: .tenant, total: 0, items: [], next: nil)
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "from": report.from = try reader.time()
      case "to": report.to = try reader.time()
      case "by": report.grouping = try reader.word { (grouping: CostGrouping) in grouping.rawValue }
      case "total_micros": report.total = try reader.integer()
      case "items": report.items = try reader.list { (reader) throws(JSONFault) in try reader.costItem() }
      case "next_cursor": report.next = try reader.null() ? nil : Cursor(text: try reader.string())
      default: throw reader.unknownField(key)
      }
    }
    return report
  }

  private mutating func costItem() throws(JSONFault) -> CostItem {
    var item = CostItem()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "tenant": item.tenant = try reader.nameOrNull()
      case "vm": item.vm = try reader.nameOrNull()
      case "datacenter": item.datacenter = try reader.placeOrNull()
      case "vcpu_seconds": item.milliCPUSeconds = try reader.thousandths(.max)
      case "memory_mib_seconds": item.memorySeconds = try reader.integer()
      case "micros": item.amount = try reader.integer()
      default: throw reader.unknownField(key)
      }
    }
    return item
  }
}
