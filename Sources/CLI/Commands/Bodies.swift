internal import Client
internal import Config
internal import Wire

/// Collects the members of a request's body from flags; what was not given is left out.
struct Body {
  let arguments: Arguments
  private var members: [JSONValue.Member] = []

  init(_ arguments: Arguments) { self.arguments = arguments }

  var value: JSONValue { .object(members) }

  var isEmpty: Bool { members.isEmpty }

  mutating func set(_ key: String, _ value: JSONValue) { members.append(.init(key, value)) }

  /// Text as it was typed; `none` says null where `canBeNone`.
  mutating func text(_ key: String, _ flag: String, canBeNone: Bool = false) {
    guard let text = arguments[flag] else { return }
    set(key, canBeNone && text == "none" ? .null : .string(text))
  }

  mutating func texts(_ key: String, _ flag: String) {
    let texts = arguments.all(flag).flatMap { $0.split(separator: ",").map(String.init) }
    if !texts.isEmpty { set(key, .array(texts.map(JSONValue.string))) }
  }

  mutating func number(_ key: String, _ flag: String, canBeNone: Bool = false) throws(Failure) {
    guard let text = arguments[flag] else { return }
    if canBeNone, text == "none" { return set(key, .null) }
    guard let number = UInt64(text) else { throw .usage("--\(flag) takes a whole number, not '\(text)'") }
    set(key, JSONValue(number))
  }

  /// A length of time in whole seconds: `90`, `15m`, `1h30m`.
  mutating func seconds(_ key: String, _ flag: String) throws(Failure) {
    guard let text = arguments[flag] else { return }
    if let number = UInt32(text) { return set(key, JSONValue(number)) }
    guard let duration = parseDuration(text), duration.components.attoseconds == 0 else {
      throw .usage("--\(flag) takes a time in whole seconds such as 90, 15m or 1h30m, not '\(text)'")
    }
    set(key, JSONValue(duration.components.seconds))
  }

  /// `--flag` alone is true, `--flag=false` false.
  mutating func bool(_ key: String, _ flag: String) {
    if arguments[flag] != nil { set(key, .bool(arguments.has(flag))) }
  }

  mutating func labels(_ key: String, _ flag: String) throws(Failure) {
    var pairs: [JSONValue.Member] = []
    for text in arguments.all(flag) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, !parts[0].isEmpty else { throw .usage("--\(flag) takes KEY=VALUE, not '\(text)'") }
      guard !pairs.contains(where: { $0.key == parts[0] }) else {
        throw .usage("--\(flag) has the key '\(parts[0])' twice")
      }
      pairs.append(.init(parts[0], .string(parts[1])))
    }
    if !pairs.isEmpty { set(key, .object(pairs)) }
  }

  mutating func topology() {
    let levels = ["datacenter", "zone", "rack"].compactMap { level in
      arguments[level].map { JSONValue.Member(level, .string($0)) }
    }
    if !levels.isEmpty { set("topology", .object(levels)) }
  }
}

extension Invocation {
  /// A call below /api/v1.
  func call(_ method: Call.Method, _ path: String..., body: Body? = nil) -> Call {
    Call(method, ["api", "v1"] + path, body: body?.value).asking("dry_run", has("dry-run") ? "true" : nil)
  }

  /// The call with those of its flags that are filters of a list.
  func filtered(_ call: Call, by flags: [String]) -> Call {
    var call = flags.reduce(call) { $0.asking(String($1.map { $0 == "-" ? "_" : $0 }), self[$1]) }
    for label in arguments.all("label") { call = call.asking("label", label) }
    return call.asking("limit", self["limit"] ?? "1000").asking("cursor", self["cursor"])
  }

  /// Prints a list: all of it, or one page when `--limit` was given.
  func list(_ call: Call, _ shape: Shape) throws(Failure) -> ExitCode {
    try printer.show(Pages(connect(), call), shape, onlyOne: self["limit"] != nil)
    return .ok
  }

  /// Sends a call and prints the object that it answers with.
  func show(_ call: Call, name: String) throws(Failure) -> ExitCode {
    try printer.show(try send(call), name: name)
    return .ok
  }
}

/// Flags that several commands share.
enum CommonFlag {
  static let dryRun = Flag("dry-run", help: "Only say what would happen.")
  static let limit = Flag("limit", value: "N", help: "One page of at most N; without it, everything.")
  static let cursor = Flag("cursor", value: "CURSOR", help: "Go on where a page ended.")
  static let label = Flag("label", value: "KEY=VALUE", repeats: true, help: "Only what carries this label.")
  static let pool = Flag("pool", value: "POOL", help: "The pool; needed when several hold the address.")
  static let tenant = Flag("tenant", value: "TENANT", help: "The tenant; `default` when left out.")
  static let interface = Flag("interface", value: "NAME", help: "The interface; `eth0` when left out.")
}
