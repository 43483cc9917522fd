// fuzzes: Sources/Config Sources/CLI/Import/CSV.swift
// What people write: the settings file (our part of TOML) and inventories (CSV). Any bytes are refused with their line,
// or come back when they are written again.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfig(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  settings(String(decoding: bytes, as: UTF8.self))
  inventory(bytes)
  return 0
}

private func settings(_ text: String) {
  let entries: [TOMLEntry]
  do throws(ConfigFault) { entries = try TOMLReader.read(text, name: "fuzzed") } catch {
    precondition(!error.rule.isEmpty && error.place.hasPrefix("fuzzed"), "a fault without place or rule")
    return
  }
  let lines = text.utf8.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }
  for entry in entries { precondition((1...lines).contains(entry.line) && !entry.key.isEmpty, "an entry from nowhere") }
  precondition(Set(entries.map(\.key)).count == entries.count, "a key was taken twice")
}

private func records(_ bytes: [UInt8]) throws(CSVReader.Fault) -> [CSVReader.Record] {
  var reader = CSVReader(bytes)
  var records: [CSVReader.Record] = []
  while let record = try reader.next() { records.append(record) }
  return records
}

private func inventory(_ bytes: [UInt8]) {
  let read: [CSVReader.Record]
  do throws(CSVReader.Fault) { read = try records(bytes) } catch {
    let lines = bytes.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }
    precondition((1...lines).contains(error.line) && !error.rule.isEmpty, "a fault in line \(error.line)")
    return
  }
  // Each field quoted, lines ended with LF: the same fields again.
  let written = read.map { record in
    record.fields.map { "\"" + $0.utf8.map { $0 == 0x22 ? [0x22, 0x22] : [$0] }.joined().text + "\"" }
      .joined(separator: ",")
  }
  let again = try? records(Array(written.map { $0 + "\n" }.joined().utf8))
  precondition(again?.map(\.fields) == read.map(\.fields), "an inventory changed on its way")
}

extension Sequence where Element == UInt8 {
  fileprivate var text: String { String(decoding: Array(self), as: UTF8.self) }
}
