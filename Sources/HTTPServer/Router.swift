internal import Wire

/// One method at one path pattern, such as `/api/v1/pools/{pool}/allocations/{ip}`, and who answers it.
package struct Route: Sendable {
  /// The method.
  package let method: Method
  /// The pattern; `{name}` stands for one segment that is not empty.
  package let pattern: String
  /// Largest body that is read for it.
  package let bodyLimit: Int
  let handler: @Sendable (Request, Reply) -> Void
  let parameterSegments: [Int]

  /// Makes a route; the handler may answer at once or later from any thread.
  package init(
    _ method: Method, _ pattern: String, bodyLimit: Int = 1 << 20,
    _ handler: @escaping @Sendable (Request, Reply) -> Void
  ) {
    precondition(pattern.hasPrefix("/"), "the pattern \(pattern) does not start with a slash")
    self.method = method
    self.pattern = pattern
    self.bodyLimit = bodyLimit
    self.handler = handler
    parameterSegments = Self.segments(pattern).indices.filter { Self.segments(pattern)[$0].hasPrefix("{") }
  }

  static func segments(_ pattern: String) -> [Substring] {
    pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
  }
}

/// The route table as a tree of segments; a literal segment wins over a parameter.
package struct Router: Sendable {
  private struct Node {
    var literals: [(text: [UInt8], node: Int)] = []
    var parameter: Int?
    var routes = [Int](repeating: -1, count: Method.allCases.count)
    var allow = ""
    var hasRoutes: Bool { !allow.isEmpty }
  }

  /// What a path and a method lead to.
  enum Match {
    case route(Int)
    case notAllowed(allow: String)
    case notFound
  }

  /// The routes in the order given; their indices name them in metrics.
  package let routes: [Route]
  private var nodes = [Node()]

  /// Builds the tree; two routes for the same method and shape of path are a bug of the caller.
  package init(_ routes: [Route]) {
    self.routes = routes
    for (index, route) in routes.enumerated() { insert(route, index) }
  }

  private mutating func insert(_ route: Route, _ index: Int) {
    var node = 0
    for segment in Route.segments(route.pattern) {
      if segment.hasPrefix("{") {
        precondition(segment.hasSuffix("}") && segment.count > 2, "bad parameter in \(route.pattern)")
        if nodes[node].parameter == nil { nodes[node].parameter = newNode() }
        node = nodes[node].parameter!
      } else if let known = nodes[node].literals.first(where: { $0.text.elementsEqual(segment.utf8) }) {
        node = known.node
      } else {
        let made = newNode()
        nodes[node].literals.append((Array(segment.utf8), made))
        node = made
      }
    }
    precondition(nodes[node].routes[route.method.index] < 0, "two routes for \(route.method.rawValue) \(route.pattern)")
    nodes[node].routes[route.method.index] = index
    let methods = Method.allCases.filter {
      nodes[node].routes[$0.index] >= 0 || $0 == .options || $0 == .head && nodes[node].routes[Method.get.index] >= 0
    }
    nodes[node].allow = methods.map(\.rawValue).joined(separator: ", ")
  }

  private mutating func newNode() -> Int {
    nodes.append(Node())
    return nodes.count - 1
  }

  /// Finds who answers `method` at the path in `range`; HEAD falls back to GET.
  func match(_ method: Method, _ range: ByteRange, in bytes: [UInt8]) throws(HTTPFault) -> Match {
    guard !range.isEmpty, bytes[Int(range.start)] == 0x2F else { return .notFound }
    let found: Int?
    if bytes[range.indices].contains(0x25) {
      found = find(0, ArraySlice(try decodedSegments(range, bytes)))
    } else {
      found = find(0, bytes, from: Int(range.start) + 1, upTo: Int(range.end))
    }
    guard let found else { return .notFound }
    let node = nodes[found]
    if node.routes[method.index] >= 0 { return .route(node.routes[method.index]) }
    if method == .head, node.routes[Method.get.index] >= 0 { return .route(node.routes[Method.get.index]) }
    return .notAllowed(allow: node.allow)
  }

  private func find(_ node: Int, _ bytes: [UInt8], from start: Int, upTo end: Int) -> Int? {
    var stop = start
    while stop < end, bytes[stop] != 0x2F { stop += 1 }
    let isLast = stop == end
    for literal in nodes[node].literals where isEqual(literal.text, bytes, start, stop) {
      let found = isLast ? leaf(literal.node) : find(literal.node, bytes, from: stop + 1, upTo: end)
      if let found { return found }
    }
    guard stop > start, let parameter = nodes[node].parameter else { return nil }
    return isLast ? leaf(parameter) : find(parameter, bytes, from: stop + 1, upTo: end)
  }

  private func isEqual(_ text: [UInt8], _ bytes: [UInt8], _ start: Int, _ stop: Int) -> Bool {
    guard text.count == stop - start else { return false }
    for i in 0..<text.count where text[i] != bytes[start + i] { return false }
    return true
  }

  private func leaf(_ node: Int) -> Int? { nodes[node].hasRoutes ? node : nil }

  private func decodedSegments(_ range: ByteRange, _ bytes: [UInt8]) throws(HTTPFault) -> [[UInt8]] {
    var segments: [[UInt8]] = []
    for part in bytes[range.indices].dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false) {
      segments.append(Array(try HTTPTarget.decodeSegment(part).utf8))
    }
    return segments
  }

  /// The same search for a path with escapes, which may hide a slash inside a segment.
  private func find(_ node: Int, _ segments: ArraySlice<[UInt8]>) -> Int? {
    guard let first = segments.first else { return leaf(node) }
    let rest = segments.dropFirst()
    if let literal = nodes[node].literals.first(where: { $0.text == first }), let found = find(literal.node, rest) {
      return found
    }
    guard !first.isEmpty, let parameter = nodes[node].parameter else { return nil }
    return find(parameter, rest)
  }
}

/// The segments of a raw path, found by walking.
struct PathSegments {
  private let bytes: [UInt8]
  private let path: ByteRange

  init(_ bytes: [UInt8], _ path: ByteRange) {
    self.bytes = bytes
    self.path = path
  }

  /// The raw segment number `index`.
  func segment(_ index: Int) -> ByteRange {
    var start = Int(path.start) + 1
    var left = index
    while true {
      var stop = start
      while stop < Int(path.end), bytes[stop] != 0x2F { stop += 1 }
      if left == 0 { return ByteRange(start, stop) }
      precondition(stop < Int(path.end), "the path has no segment \(index)")
      left -= 1
      start = stop + 1
    }
  }
}
