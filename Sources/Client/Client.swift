// Client: calls to Berth's public routes that tell the truth about what happened.
//
// A caller names a method, a path and a body and gets an `Answer`, or a `ClientFault` that says which of three things
// is the case: Berth refused (and why), nobody could be asked, or the request may have had an effect that nobody
// confirmed. Between the two stands the retry policy (`Attempts`, a pure state machine): endpoints in turn, a bounded
// number of tries, pauses as short as the server asks for.
//
// Invariants: every write carries an Idempotency-Key, the same one in all its tries, so a repeat never acts twice; once
// a write may have arrived, only a definite answer ends the doubt, and "cannot connect" afterwards is still
// "outcome unknown"; all tries together end at one deadline; lists are read page by page, streams piece by piece.
//
// Refused: answers decoded into nouns here (whoever wants them has APITypes; the command line prints what the API
// says), retrying refusals that would be refused again, hiding a retry that came too late behind a success.
internal import HTTPClient
package import Platform
internal import Synchronization
internal import Wire

/// How long and how often a client tries.
package struct RetryPolicy: Hashable, Sendable {
  /// Time for a call with all its tries.
  package var total = Duration.seconds(30)
  /// Most tries of one call, over all endpoints.
  package var attempts = 6
  /// The pause after all endpoints were tried in vain; doubled after each round.
  package var firstPause = Duration.milliseconds(100)
  /// The longest pause that a server's Retry-After is granted.
  package var longestPause = Duration.seconds(5)

  /// The usual patience.
  package init() {}
}

/// The way to one Berth, which may answer at several places; any thread may call it.
package final class Client: Sendable {
  private let places: [HTTPClient]
  private let token: String?
  let policy: RetryPolicy
  let pause: @Sendable (Duration) -> Void
  /// The place that answered last; the next call begins there.
  private let favourite = Atomic(0)

  /// Makes a client; nothing is connected before the first call. `token` shows who calls, encrypted servers need `tls`,
  /// of so many `connections` to each all may be kept, and `pause` waits between tries.
  package init(
    _ servers: [ServerAddress], token: String? = nil, policy: RetryPolicy = RetryPolicy(), tls: TLSContext? = nil,
    connections: Int? = nil,
    pause: @escaping @Sendable (Duration) -> Void = Client.rest
  ) {
    precondition(!servers.isEmpty, "a client needs a server")
    precondition(tls != nil || !servers.contains(where: \.isEncrypted), "an encrypted server needs a TLS context")
    var options = HTTPClientOptions()
    if let connections { (options.maxConnections, options.maxIdle) = (connections, connections) }
    places = servers.map { HTTPClient($0.endpoint, options: options, tls: $0.isEncrypted ? tls : nil) }
    self.token = token
    self.policy = policy
    self.pause = pause
  }

  /// Where it asks, for messages.
  package var placesText: String { places.map(\.endpoint.description).joined(separator: ", ") }

  /// Sends a call and waits for its definite answer, for as long as the policy says, or less.
  package func send(_ call: Call, within limit: Duration? = nil) throws(ClientFault) -> Answer {
    try perform(call, within: limit) { (place, request) throws(HTTPClientFault) in
      let response = try place.send(request)
      return Answer(response.status, response.headers, response.body)
    }
  }

  /// Sends a GET and hands on its body piece by piece until it ends or `each` returns false; nothing is tried
  /// again once a piece was handed on.
  package func stream(_ call: Call, _ each: ([UInt8]) -> Bool) throws(ClientFault) {
    precondition(call.method == .get, "only what is read can be streamed")
    var wasCut: HTTPClientFault?
    _ = try perform(call) { (place, request) throws(HTTPClientFault) in
      var refusal: [UInt8] = []
      var hasBegun = false
      do throws(HTTPClientFault) {
        let response = try place.stream(request) { response, piece in
          if response.status == 200 {
            hasBegun = true
            return each(piece)
          }
          refusal += piece
          return refusal.count < Refusal.bytesMax
        }
        return Answer(response.status, response.headers, refusal)
      } catch {
        guard hasBegun else { throw error }
        wasCut = error
        return Answer(200, [], [])
      }
    }
    if let wasCut { throw .cutOff(wasCut.sentence) }
  }

  private func perform(
    _ call: Call, within limit: Duration? = nil,
    _ exchange: (HTTPClient, ClientRequest) throws(HTTPClientFault) -> Answer
  ) throws(ClientFault) -> Answer {
    let deadline = MonotonicTime.now + min(policy.total, limit ?? policy.total)
    let key = call.isRemembered ? newKey() : nil
    var attempts = Attempts(policy, isWrite: call.method != .get, places: places.count)
    var turn = favourite.load(ordering: .relaxed)
    while true {
      let place = places[turn % places.count]
      let left = Duration.nanoseconds(max(1, deadline - .now))
      let ending: Attempts.Ending
      do throws(HTTPClientFault) {
        let answer = try exchange(place, call.request(key: key, token: token, timeout: left))
        ending = .answered(answer)
      } catch {
        let name = "\(place.endpoint)"
        let sentence = error.sentence.contains(name) ? error.sentence : "\(name): \(error.sentence)"
        ending = .failed(error.kind, wasSent: error.wasSent, sentence)
      }
      switch attempts.next(after: ending, left: .nanoseconds(max(0, deadline - .now))) {
      case .accept(let answer):
        favourite.store(turn % places.count, ordering: .relaxed)
        return try answer.accepted()
      case .giveUp(let fault):
        // A place that hangs has used up all the time: the next call begins elsewhere.
        favourite.store((turn + 1) % places.count, ordering: .relaxed)
        throw fault
      case .again(let rest):
        if rest > .zero { pause(rest) }
        turn += 1
      }
    }
  }

  private func newKey() -> String {
    Entropy.bytes(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// Waits.
  package static func rest(_ duration: Duration) {
    let lock = Lock()
    let nobody = Condition()
    lock.withLock { _ = nobody.wait(lock, timeout: duration) }
  }
}
