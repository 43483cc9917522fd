internal import Client
internal import Platform
internal import Wire

/// Follows the stream of events and names the nodes for which there is news.
// Unchecked because what changes is guarded by `lock`.
final class EventWatch: @unchecked Sendable {
  private static let pause = Duration.seconds(1)

  private let lock = Lock()
  private let end = Condition()
  private var isStopping = false

  /// Starts the thread; it ends with the process, or with the first event after `stop`.
  init(_ client: Client, _ wake: @escaping @Sendable (String) -> Void) {
    // Nobody waits for it: a stream that is silent is read for a minute.
    _ = Thread(name: "agent events") { [self] in
      while !isOver {
        // Without the stream nodes report in their own time, and that is all there is to say.
        try? client.events(Call(.get, ["api", "v1", "events"]), since: nil) { event in
          for name in Self.nodes(in: event.data) { wake(name) }
          return !isOver
        }
        lock.withLock { if !isStopping { _ = end.wait(lock, timeout: Self.pause) } }
      }
    }
  }

  private var isOver: Bool { lock.withLock { isStopping } }

  func stop() {
    lock.withLock {
      isStopping = true
      end.broadcast()
    }
  }

  /// The nodes of VMs that an event speaks of, but for what their agents themselves have told; none of what is no event.
  static func nodes(in data: String) -> Set<String> {
    var names: Set<String> = []
    var reader = JSONReader(Array(data.utf8), limits: .generous)
    do throws(JSONFault) {
      try reader.pick { (key, reader) throws(JSONFault) in
        guard "changes" ~= key else { return false }
        try reader.array { (reader) throws(JSONFault) in names.formUnion(try reader.nodesOfChange()) }
        return true
      }
    } catch {
      return []
    }
    return names
  }
}

extension JSONReader {
  /// The nodes that are to hear of one changed row.
  fileprivate mutating func nodesOfChange() throws(JSONFault) -> [String] {
    var (type, state): (String?, String?) = (nil, nil)
    var names: [String] = []
    try pick { (key, reader) throws(JSONFault) in
      switch key {
      case "type": type = try reader.string()
      case "after", "before":
        try reader.pick { (key, reader) throws(JSONFault) in
          guard try reader.next() == .string else { return false }
          switch key {
          case "state": state = try reader.string()
          case "node", "leaving": names.append(try reader.string())
          default: return false
          }
          return true
        }
      default: return false
      }
      return true
    }
    return type == "vm" && !["starting", "running"].contains(state) ? names : []
  }
}
