internal import Synchronization

/// What one request's body takes of the room that all bodies share: counted as its bytes come, and given back when nobody
/// has the request any more, be it a handler, the engine's line or another node that is asked.
///
/// It is counted as it comes and not as its length was announced, so that announcing alone shuts nobody out.
// Unchecked because the loop's thread alone grows it, before anybody else has it.
final class BodyShare: @unchecked Sendable {
  /// A body of up to so many bytes is counted as little as its head: what is small gets through while others fill the room.
  static let free = 16 << 10

  private let state: ServerState
  private var bytes = 0

  init(_ state: ServerState) { self.state = state }

  deinit { state.bodyBytes.wrappingSubtract(bytes, ordering: .relaxed) }

  /// Takes room for `count` bytes in all; false when there is none.
  func grow(to count: Int) -> Bool {
    let more = count - bytes
    let sum = state.bodyBytes.wrappingAdd(more, ordering: .relaxed).newValue
    bytes = count
    return sum <= state.options.bodyRoom
  }
}
