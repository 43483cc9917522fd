import Addressing
package import Domain
package import Wire

/// Body of `POST /api/v1/imports`.
package struct ImportBody: Sendable {
  /// The rows, numbered from 1 unless they say otherwise.
  package let rows: [ImportRow]
  /// Whether the rows that conflict are left out instead of refusing all.
  package let skipConflicts: Bool
  /// What the imported allocations are labelled with, so that they can be found again.
  package let importID: String

  /// Makes a body.
  package init(rows: [ImportRow], skipConflicts: Bool, importID: String) {
    (self.rows, self.skipConflicts, self.importID) = (rows, skipConflicts, importID)
  }

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var rows: [ImportRow]?
    var skipConflicts = false
    var importID = ""
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "rows":
        var read: [ImportRow] = []
        try reader.array { (reader) throws(JSONFault) in read.append(try reader.importRow(number: read.count + 1)) }
        rows = read
      case "skip_conflicts": skipConflicts = try reader.bool()
      case "import_id":
        importID = try reader.string()
        guard (1...128).contains(importID.utf8.count), Labels([("i", importID)]) != nil else {
          throw reader.invalid("must be 1 to 128 printable ASCII characters")
        }
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let rows else { throw reader.missing("rows") }
    (self.rows, self.skipConflicts, self.importID) = (rows, skipConflicts, importID)
  }

  /// The body as bytes.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 160 * rows.count + 64)
    out.object { out in
      out.key("rows")
      out.array { out in for row in rows { out.importRow(row) } }
      out.field("skip_conflicts", skipConflicts)
      if !importID.isEmpty { out.field("import_id", importID) }
    }
    return out.finish()
  }
}

extension JSONReader {
  fileprivate mutating func importRow(number: Int) throws(JSONFault) -> ImportRow {
    var line = number
    var owner: OwnerName?
    var ip: IPAddress?
    var (tenant, interface) = (TenantName.standard, InterfaceName.standard)
    var pool: PoolName?
    var mac: MACAddress?
    var hostname: Hostname?
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "line": line = try reader.integer()
      case "owner": owner = try reader.name()
      case "ip": ip = try reader.address()
      case "tenant": tenant = try reader.nameOrNull() ?? .standard
      case "interface": interface = try reader.nameOrNull() ?? .standard
      case "pool": pool = try reader.nameOrNull()
      case "mac": mac = try reader.macOrNull()
      case "hostname": hostname = try reader.nameOrNull()
      default: throw reader.unknownField(key)
      }
    }
    guard let owner else { throw missing("owner") }
    guard let ip else { throw missing("ip") }
    let holder = Holder(tenant: tenant, owner: owner, interface: interface)
    return ImportRow(line: line, pool: pool, ip: ip, holder: holder, mac: mac, hostname: hostname)
  }

  /// Reads what an import did.
  package mutating func report() throws(JSONFault) -> ImportReport {
    var report = ImportReport()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "imported": report.imported = try reader.integer()
      case "already": report.already = try reader.integer()
      case "conflict_count": report.conflictCount = try reader.integer()
      case "conflicts":
        report.conflicts = try reader.list { (reader) throws(JSONFault) in try reader.conflict() }
      default: throw reader.unknownField(key)
      }
    }
    return report
  }

  private mutating func conflict() throws(JSONFault) -> ImportReport.Conflict {
    var (line, code, detail) = (0, "", "")
    var ip: IPAddress?
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "line": line = try reader.integer()
      case "ip": ip = try reader.address()
      case "code": code = try reader.string()
      case "detail": detail = try reader.string()
      default: throw reader.unknownField(key)
      }
    }
    guard let ip else { throw missing("ip") }
    return ImportReport.Conflict(line: line, ip: ip, code: code, detail: detail)
  }
}

extension JSONWriter {
  fileprivate mutating func importRow(_ row: ImportRow) {
    object { out in
      out.field("line", row.line)
      out.field("owner", row.holder.owner)
      out.field("ip", address: row.ip)
      if row.holder.tenant != .standard { out.field("tenant", row.holder.tenant) }
      if row.holder.interface != .standard { out.field("interface", row.holder.interface) }
      if let pool = row.pool { out.field("pool", pool.text) }
      if let mac = row.mac { out.field("mac", mac.description) }
      if let hostname = row.hostname { out.field("hostname", hostname.text) }
    }
  }

  /// Writes what an import did or would do.
  package mutating func report(_ report: ImportReport) {
    object { out in
      out.field("imported", report.imported)
      out.field("already", report.already)
      out.field("conflict_count", report.conflictCount)
      out.key("conflicts")
      out.array { out in
        for conflict in report.conflicts {
          out.object { out in
            out.field("line", conflict.line)
            out.field("ip", address: conflict.ip)
            out.field("code", conflict.code)
            out.field("detail", conflict.detail)
          }
        }
      }
    }
  }
}
