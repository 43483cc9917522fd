internal import Platform
internal import Synchronization

/// The room that all bodies share, and how much of it each sender has.
// Unchecked because `lock` guards `senders`.
final class BodyRoom: @unchecked Sendable {
  private let most: Int
  private let mostEach: Int
  private let taken = Atomic<Int>(0)
  private let lock = Lock()
  private var senders: [String: Int] = [:]

  init(_ options: ServerOptions) { (most, mostEach) = (options.bodyRoom, options.bodyRoomEach) }

  /// Bytes that are taken now.
  var bytes: Int { taken.load(ordering: .relaxed) }

  /// Takes `more` bytes for a sender, in any case; false when that is too much, for it or for all of them.
  func take(_ more: Int, of sender: String?) -> Bool {
    let sum = taken.wrappingAdd(more, ordering: .relaxed).newValue
    guard let sender else { return sum <= most }
    let own = lock.withLock { () -> Int in
      let own = senders[sender, default: 0] + more
      senders[sender] = own == 0 ? nil : own
      return own
    }
    return sum <= most && own <= mostEach
  }
}

/// What one request's body takes of the room that all bodies share: counted as its bytes come, and given back when nobody
/// has the request any more, be it a handler, the engine's line or another node that is asked.
///
/// It is counted as it comes and not as its length was announced, so that announcing alone shuts nobody out.
// Unchecked because the loop's thread alone grows it, before anybody else has it.
final class BodyShare: @unchecked Sendable {
  /// A body of up to so many bytes is counted as little as its head: what is small gets through while others fill the room.
  static let free = 16 << 10

  private let room: BodyRoom
  private let sender: String?
  private var bytes = 0

  init(_ room: BodyRoom, of sender: String?) { (self.room, self.sender) = (room, sender) }

  deinit { _ = room.take(-bytes, of: sender) }

  /// Takes room for `count` bytes in all; false when there is none.
  func grow(to count: Int) -> Bool {
    defer { bytes = count }
    return room.take(count - bytes, of: sender)
  }
}
