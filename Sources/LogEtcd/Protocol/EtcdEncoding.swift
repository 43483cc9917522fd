// Requests as etcd's JSON gateway takes them. etcd ignores a field it does not know, so a misspelt compare would be a
// fence that is not there: golden files pin every request, and a test against a real etcd makes each compare fail.
internal import Wire

extension EtcdRequest {
  /// The path of the call.
  package var path: String {
    switch self {
    case .version: "/version"
    case .txn: "/v3/kv/txn"
    case .range: "/v3/kv/range"
    case .grant: "/v3/lease/grant"
    case .keepAlive: "/v3/lease/keepalive"
    case .revoke: "/v3/lease/revoke"
    case .compact: "/v3/kv/compaction"
    }
  }

  /// The body of the call; nil when it has none.
  package var body: [UInt8]? {
    var writer = JSONWriter(capacity: estimate)
    switch self {
    case .version: return nil
    case .txn(let txn): writer.object { txn.write(&$0) }
    case .range(let range): writer.object { range.write(&$0) }
    case .grant(let seconds): writer.object { $0.field("TTL", "\(seconds)") }
    case .keepAlive(let lease), .revoke(let lease): writer.object { $0.field("ID", "\(lease)") }
    case .compact(let revision): writer.object { $0.field("revision", "\(revision)") }
    }
    return writer.finish()
  }

  private var estimate: Int {
    guard case .txn(let txn) = self else { return 256 }
    return 512
      + txn.success.reduce(0) { (sum, operation) in
        if case .put(_, let value, _) = operation { sum + value.count / 3 * 4 + 128 } else { sum + 128 }
      }
  }
}

extension EtcdWatch {
  /// The body of a watch call.
  package var body: [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("create_request")
      writer.object { writer in
        writer.field("key", base64(key))
        writer.field("range_end", base64(end))
        writer.field("start_revision", "\(startRevision)")
      }
    }
    return writer.finish()
  }
}

extension EtcdTxn {
  fileprivate func write(_ writer: inout JSONWriter) {
    if !compares.isEmpty {
      writer.key("compare")
      writer.array { writer in for compare in compares { writer.object { compare.write(&$0) } } }
    }
    for (name, operations) in [("success", success), ("failure", failure)] where !operations.isEmpty {
      writer.key(name)
      writer.array { writer in for operation in operations { writer.object { operation.write(&$0) } } }
    }
  }
}

extension EtcdCompare {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.field("key", base64(key))
    switch expectation {
    case .created(let revision): write(&writer, "CREATE", "create_revision", "\(revision)")
    case .modified(let revision): write(&writer, "MOD", "mod_revision", "\(revision)")
    case .value(let bytes): write(&writer, "VALUE", "value", Base64.encode(bytes))
    }
  }

  private func write(_ writer: inout JSONWriter, _ target: String, _ property: StaticString, _ equals: String) {
    writer.field("target", target)
    writer.field("result", "EQUAL")
    writer.field(property, equals)
  }
}

extension EtcdOperation {
  fileprivate func write(_ writer: inout JSONWriter) {
    switch self {
    case .put(let key, let value, let lease):
      writer.key("request_put")
      writer.object { writer in
        writer.field("key", base64(key))
        writer.field("value", Base64.encode(value))
        if lease != 0 { writer.field("lease", "\(lease)") }
      }
    case .range(let range):
      writer.key("request_range")
      writer.object { range.write(&$0) }
    case .delete(let key, let end):
      writer.key("request_delete_range")
      writer.object { writer in
        writer.field("key", base64(key))
        if let end { writer.field("range_end", base64(end)) }
      }
    }
  }
}

extension EtcdRange {
  fileprivate func write(_ writer: inout JSONWriter) {
    writer.field("key", base64(key))
    if let end { writer.field("range_end", base64(end)) }
    if limit != 0 { writer.field("limit", "\(limit)") }
    if revision != 0 { writer.field("revision", "\(revision)") }
    if isDescending {
      writer.field("sort_order", "DESCEND")
      writer.field("sort_target", "KEY")
    }
    if isKeysOnly { writer.field("keys_only", true) }
  }
}

private func base64(_ key: String) -> String { Base64.encode(key.utf8) }
