internal import Platform
internal import Synchronization

/// The right to answer one request exactly once, from any thread, now or later.
package struct Reply: Sendable {
  let connection: Connection
  let ticket: UInt64

  /// Sends the answer; dropped silently when the connection is gone, a trap when sent before.
  package func send(_ response: Response) {
    guard connection.ticket.claim(ticket) else { return }
    if connection.isHandlingHere { return connection.answer(response) }
    connection.loop.deliver(.answer(connection, response))
  }

  /// Starts an answer whose body comes in pieces.
  package func stream(
    status: Int, contentType: StaticString, headers: [(String, String)] = []
  ) -> ResponseStream {
    let stream = ResponseStream(connection)
    if connection.ticket.claim(ticket) {
      let head = Response(status: status, contentType: contentType, headers: headers)
      if connection.isHandlingHere {
        connection.start(head, stream)
      } else {
        connection.loop.deliver(.stream(connection, head, stream))
      }
    } else {
      stream.abandon()
    }
    return stream
  }
}

/// Who may answer the current request of a connection: one of its replies, or the server when time runs out.
struct Ticket: ~Copyable, Sendable {
  private static let open: UInt64 = 0
  private static let claimed: UInt64 = 1
  private static let abandoned: UInt64 = 2

  private let state = Atomic<UInt64>(Ticket.abandoned)

  /// Opens the next request; only the loop does that. Returns its number.
  func issue() -> UInt64 {
    let number = (state.load(ordering: .relaxed) >> 2) + 1
    state.store(number << 2 | Self.open, ordering: .releasing)
    return number
  }

  /// Takes the right to answer; false when the server has given the request up.
  func claim(_ number: UInt64) -> Bool {
    let (done, seen) = state.compareExchange(
      expected: number << 2 | Self.open, desired: number << 2 | Self.claimed, ordering: .acquiringAndReleasing)
    precondition(done || seen != number << 2 | Self.claimed, "a request was answered twice")
    return done
  }

  /// Gives the current request up; false when an answer to it is already on its way.
  func abandon() -> Bool {
    let current = state.load(ordering: .relaxed)
    guard current & 3 == Self.open else { return current & 3 == Self.abandoned }
    return state.compareExchange(
      expected: current, desired: current | Self.abandoned, ordering: .acquiringAndReleasing
    ).exchanged
  }
}
