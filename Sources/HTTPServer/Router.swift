internal import Wire

/// One method at one path pattern, such as `/api/v1/pools/{pool}/allocations/{ip}`, and who answers it.
package struct Route: Sendable {
  /// The method.
  package let method: Method
  /// The pattern; `{name}` stands for one segment that is not empty.
  package let pattern: String
  /// Largest body that is read for it.
  package let bodyLimit: Int
  /// Says from the head alone what a request is told that may not pass; nil = it may.
  let judge: @Sendable (Request) -> Response?
  /// Says from the head alone whose part of the room for bodies a large body takes; nil = it is nobody's in particular.
  let sender: @Sendable (Request) -> String?
  let handler: @Sendable (Request, Reply) -> Void
  let parameters: ParameterPlaces

  /// Makes a route; the handler may answer at once or later from any thread. `judge` is asked before a body is waited
  /// for, and not at all where there is nothing to wait for: the handler has to judge in any case. `sender` is asked when
  /// a body is large, and its answer is believed.
  package init(
    _ method: Method, _ pattern: String, bodyLimit: Int = 1 << 20,
    judge: @escaping @Sendable (Request) -> Response? = { _ in nil },
    sender: @escaping @Sendable (Request) -> String? = { _ in nil },
    _ handler: @escaping @Sendable (Request, Reply) -> Void
  ) {
    precondition(pattern.hasPrefix("/"), "the pattern \(pattern) does not start with a slash")
    self.method = method
    self.pattern = pattern
    self.bodyLimit = bodyLimit
    self.judge = judge
    self.sender = sender
    self.handler = handler
    parameters = ParameterPlaces(Self.segments(pattern).indices.filter { Self.segments(pattern)[$0].hasPrefix("{") })
  }

  static func segments(_ pattern: String) -> [Substring] {
    pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
  }
}

/// Which segments of a path are parameters; inline, because every request carries it.
struct ParameterPlaces: Sendable {
  private var places = InlineArray<8, UInt8>(repeating: .max)

  init(_ segments: [Int]) {
    precondition(segments.count <= 8, "a pattern has at most 8 parameters")
    for (index, segment) in segments.enumerated() { places[index] = UInt8(segment) }
  }

  /// The segment of parameter `index`; asking for one that the pattern does not have is a bug of the handler.
  subscript(_ index: Int) -> Int {
    precondition(places[index] != .max, "the route has no parameter \(index)")
    return Int(places[index])
  }
}

/// The route table as a tree of segments; a literal segment wins over a parameter.
///
/// An object: every request would count the references of all its arrays.
package final class Router: Sendable {
  /// All plain numbers, so that a search touches no reference counts: texts, edges and routes are in flat arrays.
  fileprivate struct Node {
    var firstEdge = -1
    var parameter = -1
    var hasRoutes = false
  }

  /// A literal segment below a node: its text in `texts`, where it leads, and its next sibling.
  fileprivate struct Edge {
    let start: Int
    let end: Int
    let node: Int
    let next: Int
  }

  /// What a path and a method lead to.
  enum Match {
    case route(Int)
    case notAllowed(allow: String)
    case notFound
  }

  /// The routes in the order given; their indices name them in metrics.
  package let routes: [Route]
  /// Apart from the routes, whose copies would count references of all their parts.
  let handlers: [@Sendable (Request, Reply) -> Void]
  let parameters: [ParameterPlaces]
  private let nodes: [Node]
  private let edges: [Edge]
  private let texts: [UInt8]
  /// For each node one place per method; -1 = no route.
  private let table: [Int]
  private let allow: [String]

  /// Builds the tree; two routes for the same method and shape of path are a bug of the caller.
  package init(_ routes: [Route]) {
    self.routes = routes
    handlers = routes.map(\.handler)
    parameters = routes.map(\.parameters)
    var builder = Builder()
    for (index, route) in routes.enumerated() { builder.insert(route, index) }
    (nodes, edges, texts) = (builder.nodes, builder.edges, builder.texts)
    (table, allow) = (builder.table, builder.allow)
  }

  /// The tree while it grows.
  fileprivate struct Builder {
    var nodes = [Node()]
    var edges: [Edge] = []
    var texts: [UInt8] = []
    var table = [Int](repeating: -1, count: Method.allCases.count)
    var allow = [""]
  }

  /// Where the literal segment `bytes[start..<end]` leads from `node`.
  private func edge(of node: Int, _ bytes: [UInt8], _ start: Int, _ end: Int) -> Int? {
    Self.edge(from: nodes[node].firstEdge, edges, texts, bytes, start, end)
  }

  fileprivate static func edge(
    from first: Int, _ edges: [Edge], _ texts: [UInt8], _ bytes: [UInt8], _ start: Int, _ end: Int
  ) -> Int? {
    var index = first
    while index >= 0 {
      let edge = edges[index]
      if edge.end - edge.start == end - start {
        var i = 0
        while i < end - start, texts[edge.start + i] == bytes[start + i] { i += 1 }
        if i == end - start { return edge.node }
      }
      index = edge.next
    }
    return nil
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
    let place = found * Method.allCases.count
    if table[place + method.index] >= 0 { return .route(table[place + method.index]) }
    if method == .head, table[place + Method.get.index] >= 0 { return .route(table[place + Method.get.index]) }
    return .notAllowed(allow: allow[found])
  }

  private func find(_ node: Int, _ bytes: [UInt8], from start: Int, upTo end: Int) -> Int? {
    var stop = start
    while stop < end, bytes[stop] != 0x2F { stop += 1 }
    let isLast = stop == end
    if let next = edge(of: node, bytes, start, stop) {
      let found = isLast ? leaf(next) : find(next, bytes, from: stop + 1, upTo: end)
      if let found { return found }
    }
    let parameter = nodes[node].parameter
    guard stop > start, parameter >= 0 else { return nil }
    return isLast ? leaf(parameter) : find(parameter, bytes, from: stop + 1, upTo: end)
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
    if let next = edge(of: node, first, 0, first.count), let found = find(next, rest) { return found }
    guard !first.isEmpty, nodes[node].parameter >= 0 else { return nil }
    return find(nodes[node].parameter, rest)
  }

  /// The raw segment number `index` of a path, found by walking.
  static func segment(_ index: Int, of path: ByteRange, in bytes: [UInt8]) -> ByteRange {
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

extension Router.Builder {
  mutating func insert(_ route: Route, _ index: Int) {
    var node = 0
    for segment in Route.segments(route.pattern) { node = child(of: node, segment, route.pattern) }
    let place = node * Method.allCases.count
    precondition(table[place + route.method.index] < 0, "two routes for \(route.method.rawValue) \(route.pattern)")
    table[place + route.method.index] = index
    nodes[node].hasRoutes = true
    let methods = Method.allCases.filter {
      table[place + $0.index] >= 0 || $0 == .options || $0 == .head && table[place + Method.get.index] >= 0
    }
    allow[node] = methods.map(\.rawValue).joined(separator: ", ")
  }

  private mutating func child(of node: Int, _ segment: Substring, _ pattern: String) -> Int {
    if segment.hasPrefix("{") {
      precondition(segment.hasSuffix("}") && segment.utf8.count > 2, "bad parameter in \(pattern)")
      if nodes[node].parameter < 0 { nodes[node].parameter = newNode() }
      return nodes[node].parameter
    }
    let text = Array(segment.utf8)
    if let known = Router.edge(from: nodes[node].firstEdge, edges, texts, text, 0, text.count) { return known }
    let start = texts.count
    texts += text
    edges.append(Router.Edge(start: start, end: texts.count, node: newNode(), next: nodes[node].firstEdge))
    nodes[node].firstEdge = edges.count - 1
    return edges[edges.count - 1].node
  }

  private mutating func newNode() -> Int {
    nodes.append(Router.Node())
    allow.append("")
    table += [Int](repeating: -1, count: Method.allCases.count)
    return nodes.count - 1
  }
}
