internal import Domain
internal import HTTPServer
internal import Platform

/// Where a subscriber's events go: a stream of the server, or a test.
package protocol EventSink: Sendable {
  /// Queues bytes; false when the reader is gone or too slow.
  func write(_ bytes: [UInt8]) -> Bool
  /// Bytes that wait for the reader.
  var waiting: Int { get }
  /// Whether writing still makes sense.
  var isOpen: Bool { get }
  /// Ends the stream after what was written.
  func close()
  /// Gives the reader up.
  func drop()
}

extension ResponseStream: EventSink {}

/// A subscriber with its own place in the log. The log is its buffer: it is given more only as fast as it takes it.
struct EventSubscriber {
  /// Bytes that may wait for a reader before the next piece is held back.
  static let lowWater = 256 << 10
  /// A frame over this is handed over in pieces.
  static let piece = 64 << 10

  let sink: any EventSink
  let filter: EventFilter
  /// The next revision it has not seen.
  var next: Revision
  private var rest: ArraySlice<UInt8> = []
  private var writtenAt = MonotonicTime.now
  private var stall: (since: MonotonicTime, waiting: Int)?

  init(_ sink: any EventSink, _ filter: EventFilter, next: Revision) {
    (self.sink, self.filter, self.next) = (sink, filter, next)
  }

  /// Whether something is left to give it.
  func isBehind(_ published: Revision) -> Bool { next <= published || !rest.isEmpty }

  /// Whether it has taken enough of what it was given to be given more.
  var hasRoom: Bool { sink.waiting < Self.lowWater }

  /// Gives it the next piece, from a page that begins at or before `next`; true if it moved on.
  mutating func take(_ page: EventPage?, upTo published: Revision) -> Bool {
    if !rest.isEmpty { return writeRest() }
    guard let page else { return false }
    var out: [UInt8] = []
    let before = next
    while next <= published, out.count < Self.piece, let item = page[next] {
      if filter.wants(item.logged.entry) {
        out += filter.visibility.isWhole ? item.frame : EventFrame.encode(item.logged, filter.visibility)
      }
      next += 1
    }
    rest = out[...]
    _ = rest.isEmpty || writeRest()
    return next > before
  }

  private mutating func writeRest() -> Bool {
    let piece = rest.prefix(Self.piece)
    rest = rest.dropFirst(piece.count)
    if rest.isEmpty { rest = [] }
    _ = write(Array(piece))
    return true
  }

  private mutating func write(_ bytes: [UInt8]) -> Bool {
    writtenAt = .now
    return sink.write(bytes)
  }

  /// Whether it has left bytes waiting for longer than `limit` without taking any.
  mutating func isStalled(_ now: MonotonicTime, limit: Duration) -> Bool {
    let waiting = sink.waiting
    guard waiting >= Self.lowWater else {
      stall = nil
      return false
    }
    guard let seen = stall, seen.waiting <= waiting else {
      stall = (now, waiting)
      return false
    }
    return now >= seen.since + limit
  }

  /// Shows it that the connection lives and how far the log has come, when nothing else did for a while.
  mutating func keepAlive(_ now: MonotonicTime, every interval: Duration, at revision: Revision) {
    guard rest.isEmpty, now >= writtenAt + interval, hasRoom else { return }
    greet(revision)
  }

  /// A comment line: readers skip it, people with curl see it.
  mutating func greet(_ revision: Revision) { _ = write(Array(": revision \(revision)\n\n".utf8)) }
}

/// Some consecutive entries, each rendered once for all who want it; belongs to the feeder's thread.
final class EventPage {
  final class Item {
    let logged: LoggedEntry
    lazy var frame = EventFrame.encode(logged)
    init(_ logged: LoggedEntry) { self.logged = logged }
  }

  private let first: Revision
  private let items: [Item]

  init(_ entries: [LoggedEntry]) {
    first = entries.first?.entry.revision ?? 0
    items = entries.map(Item.init)
  }

  subscript(_ revision: Revision) -> Item? {
    revision >= first && revision - first < UInt64(items.count) ? items[Int(revision - first)] : nil
  }
}
