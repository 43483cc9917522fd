extension Load {
  /// What to send, how, and for how long.
  struct Plan {
    static let options: Set<String> = [
      "port", "path", "method", "body", "connections", "seconds", "count", "warmup", "rate", "pid", "expect",
      "first", "digits", "random-range", "seed", "address-base", "address-stride", "windows", "windows-file"
    ]

    let port: Int
    let request: RequestTemplate
    var filling = RequestTemplate.Filling()
    let connections: Int
    let first: Int
    /// Requests to send in all; nil means by time.
    let count: Int?
    let nanoseconds: Int64
    let warmup: Int64
    /// Nanoseconds between two requests of one connection; nil means as fast as answers come.
    let pace: Int64?
    let pid: Int?
    let expected: Set<Int>
    let window: Int64?
    let windowsFile: String?

    init(_ options: Options) throws(Failure) {
      guard let port = try options.integer("port", in: 1...65535) else { throw Failure("--port is required") }
      self.port = port
      connections = try options.integer("connections", in: 1...1024, default: 1)
      first = try options.integer("first", in: 0...1_000_000_000_000, default: 0)
      count = try options.integer("count", in: 1...100_000_000)
      nanoseconds = try options.nanoseconds("seconds", default: 3)
      warmup = count == nil ? try options.nanoseconds("warmup", default: 0.5) : 0
      let rate = try options.integer("rate", in: 1...10_000_000)
      let perConnection = Int64(connections) * 1_000_000_000
      pace = rate.map { perConnection / Int64($0) }
      pid = try options.integer("pid", in: 1...Int(Int32.max))
      expected = try Self.statuses(options.text("expect") ?? "200")
      filling.digits = try options.integer("digits", in: 1...18, default: 13)
      filling.randomRange = UInt64(try options.integer("random-range", in: 1...Int.max, default: 1))
      filling.random = SplitMix64(state: UInt64(try options.integer("seed", in: 0...Int.max, default: 1)))
      filling.addressBase = try RequestTemplate.address(options.text("address-base") ?? "10.0.0.0")
      filling.addressStride = UInt32(try options.integer("address-stride", in: 1...1 << 24, default: 1))
      window = try options.integer("windows", in: 1...60_000).map { Int64($0) * 1_000_000 }
      windowsFile = options.text("windows-file")
      request = try Self.template(options, port: port, digits: filling.digits)
    }

    private static func template(_ options: Options, port: Int, digits: Int) throws(Failure) -> RequestTemplate {
      var text = "\(options.text("method") ?? "GET") \(try options.required("path")) HTTP/1.1\r\n"
      text += "Host: 127.0.0.1:\(port)\r\n"
      let body = options.text("body") ?? ""
      if !body.isEmpty {
        guard let length = try RequestTemplate(body).fixedLength(digits: digits) else {
          throw Failure("a body with %a has no fixed length")
        }
        text += "Content-Type: application/json\r\nContent-Length: \(length)\r\n"
      }
      return try RequestTemplate(text + "\r\n" + body)
    }

    private static func statuses(_ text: String) throws(Failure) -> Set<Int> {
      let parts = text.split(separator: ",").map { Int($0) }
      guard !parts.isEmpty, !parts.contains(nil) else { throw Failure("--expect takes statuses like 200,201") }
      return Set(parts.compactMap { $0 })
    }
  }
}
