internal import Wire

/// The rows of a file to be imported, with where each stands in it.
struct Inventory {
  /// One address and who has it.
  struct Row: Sendable {
    /// Its line in a CSV file, its number in a JSON array.
    let line: Int
    /// Field and text, without those that are empty.
    let fields: [String: String]

    var value: JSONValue {
      var members = [JSONValue.Member("line", JSONValue(line))]
      for name in Inventory.columns { if let text = fields[name] { members.append(.init(name, .string(text))) } }
      return .object(members)
    }
  }

  /// What a row may have; the first two it must have.
  static let columns = ["owner", "ip", "mac", "hostname", "pool", "tenant", "interface"]
  /// As many as the server takes in one request.
  static let chunkRows = 2_048

  let rows: [Row]

  /// Reads a file by its name: `.json` holds an array, anything else is CSV.
  init(_ bytes: [UInt8], name: String) throws(Failure) {
    rows = name.hasSuffix(".json") ? try Self.json(bytes, name) : try Self.csv(bytes, name)
    guard !rows.isEmpty else { throw .usage("\(name) has no rows") }
  }

  /// The rows in pieces that fit into a request.
  var chunks: [ArraySlice<Row>] {
    stride(from: 0, to: rows.count, by: Self.chunkRows).map { rows[$0..<min($0 + Self.chunkRows, rows.count)] }
  }

  /// Rows whose address an earlier row gives to somebody else; the server sees one piece at a time and would miss them.
  var duplicates: [(row: Row, first: Int)] {
    var seen: [String: Row] = [:]
    return rows.compactMap { row in
      let key = "\(row.fields["pool"] ?? "") \(row.fields["ip"] ?? "")"
      guard let first = seen[key] else {
        seen[key] = row
        return nil
      }
      let isSame = ["owner", "tenant", "interface"].allSatisfy { row.fields[$0] == first.fields[$0] }
      return isSame ? nil : (row, first.line)
    }
  }

  private static func csv(_ bytes: [UInt8], _ name: String) throws(Failure) -> [Row] {
    var reader = CSVReader(bytes)
    var rows: [Row] = []
    do throws(CSVReader.Fault) {
      guard let header = try reader.next() else { return [] }
      let columns = try header.columns()
      while let record = try reader.next() {
        guard record.fields.count == columns.count else {
          throw CSVReader.Fault(
            line: record.line, rule: "has \(record.fields.count) fields where the header has \(columns.count)")
        }
        let fields = Dictionary(uniqueKeysWithValues: zip(columns, record.fields)).filter { !$0.value.isEmpty }
        for name in Self.columns.prefix(2) where fields[name] == nil {
          throw CSVReader.Fault(line: record.line, rule: "has no \(name)")
        }
        rows.append(Row(line: record.line, fields: fields))
      }
    } catch { throw .usage("\(name): line \(error.line) \(error.rule)") }
    return rows
  }

  private static func json(_ bytes: [UInt8], _ name: String) throws(Failure) -> [Row] {
    let document: JSONValue
    do throws(JSONFault) { document = try JSONValue(parsing: bytes) } catch { throw .usage("\(name): \(error)") }
    guard let elements = document.elements else { throw .usage("\(name) is no array of rows") }
    var rows: [Row] = []
    for element in elements {
      let place = "\(name): row \(rows.count + 1)"
      guard let members = element.members else { throw .usage("\(place) is no object") }
      var fields: [String: String] = [:]
      for member in members where !member.value.isNull {
        guard columns.contains(member.key) else {
          throw .usage("\(place) has an unknown field '\(member.key)'", "there are \(columns.joined(separator: ", "))")
        }
        guard let text = member.value.string else { throw .usage("\(place): \(member.key) is no string") }
        if !text.isEmpty { fields[member.key] = text }
      }
      for name in columns.prefix(2) where fields[name] == nil { throw .usage("\(place) has no \(name)") }
      rows.append(Row(line: rows.count + 1, fields: fields))
    }
    return rows
  }
}

extension CSVReader.Record {
  /// The names of the columns, if this is a header.
  fileprivate func columns() throws(CSVReader.Fault) -> [String] {
    for (index, name) in fields.enumerated() {
      guard Inventory.columns.contains(name) else {
        let all = Inventory.columns.joined(separator: ",")
        throw CSVReader.Fault(line: line, rule: "must be a header of \(all) in any order; '\(name)' is none of them")
      }
      if fields[..<index].contains(name) { throw CSVReader.Fault(line: line, rule: "names the column \(name) twice") }
    }
    for name in Inventory.columns.prefix(2) where !fields.contains(name) {
      throw CSVReader.Fault(line: line, rule: "is the header and has no column \(name)")
    }
    return fields
  }
}
