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

  /// The nodes of VMs that an event speaks of, but for what their agents themselves have told.
  static func nodes(in data: String) -> Set<String> {
    guard let event = try? JSONValue(parsing: Array(data.utf8)) else { return [] }
    var names: Set<String> = []
    for change in event["changes"]?.elements ?? [] where change["type"]?.string == "vm" {
      guard let vm = change["after"] ?? change["before"] else { continue }
      if ["starting", "running"].contains(vm["state"]?.string) { continue }
      for key in ["node", "leaving"] { if let name = vm[key]?.string { names.insert(name) } }
    }
    return names
  }
}
