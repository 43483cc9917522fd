// Answers of etcd's JSON gateway. What we use must have its type and fit its range, and everything is bounded; fields
// that we do not use are passed over, because later versions add some. Zero is written by leaving out.
internal import Wire

/// Reads answers.
package enum EtcdDecoding {
  /// The largest answer that is read: eight batches in Base64, and room for the rest.
  package static let maxBytes = 16 << 20
  static let limits = JSONLimits(depth: 16, stringBytes: 4 << 20, elements: 1 << 16, keys: 64)

  /// The answer to `request`, nil when it is none.
  package static func answer(to request: EtcdRequest, status: Int, body: [UInt8]) -> EtcdAnswer? {
    guard body.count <= maxBytes else { return nil }
    var reader = JSONReader(body, limits: limits)
    guard let message = try? reader.message(), (try? reader.end()) != nil else { return nil }
    if let code = message.code, let text = message.error { return .error(EtcdError(code: code, message: text)) }
    if case .version = request {
      guard let server = message.server else { return nil }
      return .version(server: server, cluster: message.clusterVersion ?? "")
    }
    guard status == 200, message.error == nil, let header = message.result?.header ?? message.header else { return nil }
    switch request {
    case .version: return nil
    case .txn(let txn):
      let expected = message.succeeded ? txn.success : txn.failure
      guard message.responses.count == expected.count, zip(message.responses, expected).allSatisfy({ $0.fits($1) })
      else { return nil }
      return .txn(header, succeeded: message.succeeded, message.responses)
    case .range: return .range(header, message.read)
    case .grant:
      guard message.id != 0, message.seconds > 0 else { return nil }
      return .lease(header, id: message.id, seconds: message.seconds)
    case .keepAlive:
      guard let result = message.result else { return nil }
      return .lease(header, id: result.id, seconds: result.seconds)
    case .revoke, .compact: return .done(header)
    }
  }

  /// One line of a watch's stream, nil when it is none.
  package static func watchLine(_ line: [UInt8]) -> EtcdWatchMessage? {
    guard line.count <= maxBytes else { return nil }
    var reader = JSONReader(line, limits: limits)
    guard let message = try? reader.message(), (try? reader.end()) != nil else { return nil }
    return message.result?.watch
  }
}

extension EtcdOperationAnswer {
  fileprivate func fits(_ operation: EtcdOperation) -> Bool {
    switch (self, operation) {
    case (.put, .put), (.range, .range), (.delete, .delete): true
    default: false
    }
  }
}

/// All fields of all answers that we know; the request says which of them count.
private final class Message {
  var header: EtcdHeader?
  var error: String?
  var code: Int?
  var server: String?
  var clusterVersion: String?
  var succeeded = false
  var responses: [EtcdOperationAnswer] = []
  var read = EtcdRead()
  var id: Int64 = 0
  var seconds: Int64 = 0
  var isCreated = false
  var isCanceled = false
  var compactRevision: Int64 = 0
  var events: [EtcdEvent] = []
  var result: Message?

  var watch: EtcdWatchMessage {
    var watch = EtcdWatchMessage(header: header ?? EtcdHeader())
    watch.isCreated = isCreated
    watch.isCanceled = isCanceled
    watch.compactRevision = compactRevision
    watch.events = events
    return watch
  }
}

extension JSONReader {
  fileprivate mutating func message(nested: Bool = false) throws(JSONFault) -> Message {
    let message = Message()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "header": message.header = try reader.header()
      case "error":
        // In a stream an error is an object; as such it is no line that we know.
        message.error = try reader.next() == .string ? try reader.string() : "\(try reader.value())"
      case "code": message.code = try reader.integer()
      case "etcdserver": message.server = try reader.string()
      case "etcdcluster": message.clusterVersion = try reader.string()
      case "succeeded": message.succeeded = try reader.bool()
      case "responses": message.responses = try reader.list { (reader) throws(JSONFault) in try reader.operation() }
      case "kvs": message.read.kvs = try reader.list { (reader) throws(JSONFault) in try reader.kv() }
      case "more": message.read.hasMore = try reader.bool()
      case "ID": message.id = try reader.int64()
      case "TTL": message.seconds = try reader.int64()
      case "created": message.isCreated = try reader.bool()
      case "canceled": message.isCanceled = try reader.bool()
      case "compact_revision": message.compactRevision = try reader.int64()
      case "events": message.events = try reader.list { (reader) throws(JSONFault) in try reader.event() }
      case "result":
        guard !nested else { throw reader.unknownField(key) }
        message.result = try reader.message(nested: true)
      default: _ = try reader.value()
      }
    }
    return message
  }

  private mutating func header() throws(JSONFault) -> EtcdHeader {
    var header = EtcdHeader()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "cluster_id": header.cluster = try reader.uint64()
      case "member_id": header.member = try reader.uint64()
      case "revision": header.revision = try reader.revision()
      default: _ = try reader.value()
      }
    }
    return header
  }

  private mutating func operation() throws(JSONFault) -> EtcdOperationAnswer {
    var answer: EtcdOperationAnswer?
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "response_put":
        _ = try reader.value()
        answer = .put
      case "response_range": answer = .range(try reader.message().read)
      case "response_delete_range":
        var count: Int64 = 0
        try reader.object { (key, reader) throws(JSONFault) in
          if "deleted" ~= key { count = try reader.int64() } else { _ = try reader.value() }
        }
        answer = .delete(count)
      default: throw reader.unknownField(key)
      }
    }
    guard let answer else { throw invalid("an operation without an answer") }
    return answer
  }

  private mutating func kv() throws(JSONFault) -> EtcdKeyValue {
    var kv = EtcdKeyValue(key: "")
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "key": kv.key = String(decoding: try reader.base64(), as: UTF8.self)
      case "value": kv.value = try reader.base64()
      case "create_revision": kv.created = try reader.revision()
      case "mod_revision": kv.modified = try reader.revision()
      case "lease": kv.lease = try reader.int64()
      default: _ = try reader.value()
      }
    }
    return kv
  }

  private mutating func event() throws(JSONFault) -> EtcdEvent {
    var event = EtcdEvent(isDelete: false, kv: EtcdKeyValue(key: ""))
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "type":
        switch try reader.string() {
        case "PUT": break
        case "DELETE": event.isDelete = true
        default: throw reader.invalid("neither PUT nor DELETE")
        }
      case "kv": event.kv = try reader.kv()
      default: _ = try reader.value()
      }
    }
    return event
  }

  private mutating func base64() throws(JSONFault) -> [UInt8] {
    guard let bytes = Base64.decode(try string()) else { throw invalid("not Base64") }
    return bytes
  }

  /// 64 bits, as text or as a number.
  private mutating func int64() throws(JSONFault) -> Int64 {
    guard try next() == .string else { return try integer() }
    guard let value = Int64(try string()) else { throw invalid("not a number of 64 bits") }
    return value
  }

  /// A revision as etcd counts them: never negative, and with room to count on.
  private mutating func revision() throws(JSONFault) -> Int64 {
    let value = try int64()
    guard (0...Int64.max / 2).contains(value) else { throw invalid("not a revision") }
    return value
  }

  private mutating func uint64() throws(JSONFault) -> UInt64 {
    guard try next() == .string else { return try integer() }
    guard let value = UInt64(try string()) else { throw invalid("not a number of 64 bits") }
    return value
  }
}
