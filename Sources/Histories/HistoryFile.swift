internal import Wire

/// What clients of a real cluster wrote down, and the log that the cluster wrote, read into calls.
///
/// Each line of a history is an operation: `op` (allocate, release, read), `owner`, `ip`, `begun` and `ended` in
/// seconds, `end` (ok, refused, unknown), `generation` of an allocation, `found` of a read. Each line of a log is an
/// entry as `berth log dump -o json` prints it. What nobody heard the end of is looked up in the log: there it has
/// happened, or never will.
package struct HistoryFile {
  /// What contradicts the log by itself, in words.
  package private(set) var faults: [String] = []
  /// Operations read.
  package private(set) var operations = 0
  /// Operations that nobody heard the end of.
  package private(set) var unknown = 0
  /// Entries of the log read.
  package private(set) var entries = 0
  private var calls: [HistoryCall] = []
  private var names: [String: Int] = [:]
  private var places: [String: UInt64] = [:]
  private var given: [String: [Gift]] = [:]
  private var freed: [Gift: UInt64] = [:]
  private var askers: Set<String> = []

  /// An address in the hands of an owner, from a revision on.
  private struct Gift: Hashable {
    let owner: String
    let ip: String
    let generation: UInt64
  }

  /// Nothing read yet.
  package init() {}

  /// What a line lacks.
  package enum Fault: Error, Hashable {
    /// It is no JSON.
    case notJSON(String)
    /// It lacks a member, or has one of another kind.
    case member(String)
  }

  /// Reads an entry of the log; the whole log comes before the history.
  package mutating func take(log line: [UInt8]) throws(Fault) {
    let entry = try HistoryFile.parse(line)
    let revision = try HistoryFile.number(entry, "revision")
    entries += 1
    for change in entry["changes"]?.elements ?? [] where change["type"]?.string == "allocation" {
      guard let row = change["after"] ?? change["before"] else { throw .member("after") }
      let gift = try HistoryFile.gift(row)
      if change["after"] == nil {
        freed[gift] = revision
      } else if change["before"] == nil {
        given[gift.owner, default: []].append(gift)
      }
    }
  }

  /// Reads an operation of the history.
  package mutating func take(_ line: [UInt8]) throws(Fault) {
    let item = try HistoryFile.parse(line)
    operations += 1
    let op = try HistoryFile.text(item, "op")
    let owner = try HistoryFile.text(item, "owner")
    let end = try HistoryFile.text(item, "end")
    let begun = try HistoryFile.time(item, "begun")
    let ended = try HistoryFile.time(item, "ended")
    if op == "allocate" { askers.insert(owner) }
    if end == "unknown" { unknown += 1 }
    switch (op, end) {
    case ("read", "ok"):
      let found = item["found"]?.string
      add(try HistoryFile.text(item, "ip"), .saw(owner: found.map { number(of: $0) }), begun, ended, nil)
    case ("allocate", "ok"):
      let gift = try HistoryFile.gift(item)
      if given[owner]?.contains(gift) != true {
        faults.append("\(owner) was told \(gift.ip) at revision \(gift.generation), which the log does not have")
      }
      add(gift.ip, .acquired(owner: number(of: owner)), begun, ended, gift.generation)
    case ("allocate", "unknown"):
      for gift in given[owner] ?? [] { add(gift.ip, .acquired(owner: number(of: owner)), begun, nil, nil) }
    case ("release", "ok"):
      let gift = try HistoryFile.gift(item)
      let revision = freed[gift]
      if revision == nil { faults.append("\(owner) was told that \(gift.ip) is free, which the log does not have") }
      add(gift.ip, .released(owner: number(of: owner)), begun, ended, revision)
    case ("release", "unknown"):
      let gift = try HistoryFile.gift(item)
      if freed[gift] != nil { add(gift.ip, .released(owner: number(of: owner)), begun, nil, nil) }
    case (_, "refused"): break
    default: throw .member("op")
    }
  }

  /// All calls, once everything is read; what the log gave to those who never asked is a fault.
  package mutating func finish() -> [HistoryCall] {
    for owner in given.keys.sorted() where !askers.contains(owner) {
      faults.append("the log gives an address to \(owner), who never asked")
    }
    return calls
  }

  /// How many addresses the calls are about.
  package var addresses: Int { places.count }

  /// The name of an address that a verdict speaks of.
  package func name(of address: UInt64) -> String { places.first { $0.value == address }?.key ?? "?" }

  private mutating func add(
    _ ip: String, _ action: HistoryCall.Action, _ begun: Int64, _ ended: Int64?, _ revision: UInt64?
  ) {
    let place = places[ip] ?? UInt64(places.count)
    places[ip] = place
    calls.append(HistoryCall(address: place, action, called: begun, answered: ended, revision: revision))
  }

  private mutating func number(of owner: String) -> Int {
    let number = names[owner] ?? names.count
    names[owner] = number
    return number
  }

  // MARK: Lines

  private static func parse(_ line: [UInt8]) throws(Fault) -> JSONValue {
    do throws(JSONFault) { return try JSONValue(parsing: line) } catch { throw .notJSON("\(error)") }
  }

  private static func gift(_ row: JSONValue) throws(Fault) -> Gift {
    Gift(owner: try text(row, "owner"), ip: try text(row, "ip"), generation: try number(row, "generation"))
  }

  private static func text(_ value: JSONValue, _ key: String) throws(Fault) -> String {
    guard let text = value[key]?.string else { throw .member(key) }
    return text
  }

  private static func number(_ value: JSONValue, _ key: String) throws(Fault) -> UInt64 {
    guard let number = value[key]?.integer(UInt64.self) else { throw .member(key) }
    return number
  }

  /// Seconds, as microseconds.
  private static func time(_ value: JSONValue, _ key: String) throws(Fault) -> Int64 {
    guard let text = value[key]?.numberText, let seconds = Double(text), abs(seconds) < 1e12 else { throw .member(key) }
    return Int64(seconds * 1_000_000)
  }
}
