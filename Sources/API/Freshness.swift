internal import APITypes
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Log

/// Where and when a call is answered: alone at once; in a cluster reads behind a barrier, commands at the leader.
///
/// The door judges by what this node knows. Whatever a call waits for here, a barrier or a revision, may bring that its
/// token was revoked: so it passes the door again after each wait, and nobody is answered with what is newer than that.
extension Call {
  /// Answers the call, now or later, or says why not.
  func enter(_ endpoint: Endpoint) throws(Problem) {
    let isShared = api.engine.isShared
    if endpoint.isLocal {
      guard endpoint.isBehindBarrier, isShared else { return try endpoint.handler(self) }
      return pass(endpoint) { (call) throws(Problem) in try endpoint.handler(call) }
    }
    if isShared, case .lost(let why) = api.engine.leadership { throw Problem(Unavailable.lost(why)) }
    let wish = endpoint.isRead ? try freshness() : Freshness()
    if endpoint.isCommand || endpoint.asksWriter {
      if isShared, !api.engine.leadership.decides {
        if let passing = endpoint.passing { return try passing(self) }
        return try passOn()
      }
      return try endpoint.handler(self)
    }
    let asksLeader = endpoint.asksLeader || endpoint.asksLeaderFor.map { request.query($0) == "true" } == true
    if asksLeader, isShared, !wish.isStale, !api.engine.leadership.decides { return try passOn() }
    guard endpoint.isRead, isShared, !wish.isStale else { return try wait(until: wish.least, endpoint) }
    pass(endpoint) { (call) throws(Problem) in try call.wait(until: wish.least, endpoint) }
  }

  /// Goes on behind a barrier, with the call as the door judges it then.
  private func pass(_ endpoint: Endpoint, _ then: @escaping @Sendable (Call) throws(Problem) -> Void) {
    api.engine.barrier { end in
      switch end {
      case .passed: reply.resume { answer { () throws(Problem) in try then(try judgedAgain(endpoint)) } }
      case .failed(let why):
        let why = "this node cannot tell whether it is up to date: \(why)"
        refuse(endpoint.isRead ? .notCaughtUp(why) : .notCaughtUpToAct(why))
      }
    }
  }

  /// The call after it has waited: its caller may have lost what let it in.
  func judgedAgain(_ endpoint: Endpoint) throws(Problem) -> Call {
    var call = self
    call.principal = try api.admit(endpoint, request, isAgain: true)
    return call
  }

  /// How fresh a read must be.
  private struct Freshness {
    var isStale = false
    var least: Revision?
  }

  private func freshness() throws(Problem) -> Freshness {
    var wish = Freshness()
    switch request.query("consistency") {
    case nil, "consistent": break
    case "stale": wish.isStale = true
    default: throw .invalid("consistency", "must be consistent or stale")
    }
    wish.least = try integer("min_revision", 0...Revision.max)
    return wish
  }

  /// Answers once `least` is published here.
  private func wait(until least: Revision?, _ endpoint: Endpoint) throws(Problem) {
    guard let least, api.engine.read({ $0.revision }) < least else { return try endpoint.handler(self) }
    let isTaken = api.waits.wait(for: least, .published) { isHere in
      guard isHere else {
        return refuse(.notCaughtUp("revision \(least) is not here yet, the newest is \(api.engine.status.revision)"))
      }
      reply.resume { answer { () throws(Problem) in try endpoint.handler(try judgedAgain(endpoint)) } }
    }
    if !isTaken { throw .busy }
  }

  /// Answers from the log once it can be read as far as the tables are; `stale` takes what is there.
  func afterLog(_ body: @escaping @Sendable () throws(Problem) -> Void) throws(Problem) {
    let revision = api.engine.isShared ? api.engine.status.revision : 0
    guard revision > 0, request.query("consistency") != "stale", api.engine.readableRevision < revision else {
      return try body()
    }
    caller.whenReadable(upTo: revision, at: revision) {
      reply.resume {
        answer { () throws(Problem) in
          if let shared { _ = try judgedAgain(shared.endpoint) }
          try body()
        }
      }
    }
  }

  /// Runs what answers; a problem is an answer.
  func answer(_ body: () throws(Problem) -> Void) {
    do throws(Problem) { try body() } catch { refuse(error) }
  }
}

/// What only a node of a cluster has to remember of a call.
final class SharedCall: Sendable {
  /// The route, to be asked again when this node leads by then.
  let endpoint: Endpoint
  /// The idempotency key that this node gave a request without one before it passed it on.
  let ownKey: String?
  /// How often it was passed on and came back, because this node led by then.
  let returns: Int
  /// Whether it may have been done when it was passed on.
  let isDoubtful: Bool
  /// A call that came back so often meets one change of leaders after the other, and is told so.
  static let mostReturns = 3

  init(_ endpoint: Endpoint, ownKey: String? = nil, returns: Int = 0, isDoubtful: Bool = false) {
    (self.endpoint, self.ownKey, self.returns, self.isDoubtful) = (endpoint, ownKey, returns, isDoubtful)
  }
}

extension Caller {
  /// Calls `body`, here or on another thread, once the log can be read up to an entry; says so when that takes too long.
  func whenReadable(upTo entry: Revision, at now: Revision, _ body: @escaping @Sendable () -> Void) {
    if !api.engine.isShared || api.engine.readableRevision >= entry { return body() }
    let isTaken = api.waits.wait(for: entry, .readable) { isHere in
      if isHere {
        body()
      } else {
        refuse(.notCaughtUp("this node has not archived revision \(entry) yet"), revision: now)
      }
    }
    if !isTaken { refuse(.busy, revision: now) }
  }
}

extension Problem {
  /// A read that would have to know more than is here.
  static func notCaughtUp(_ why: String) -> Problem {
    Problem(
      503, "not_caught_up", "\(why): repeat this, ask another node, or take what is here with consistency=stale",
      retryAfter: 1)
  }

  /// The same of what changes something, which nothing stale can stand for.
  fileprivate static func notCaughtUpToAct(_ why: String) -> Problem {
    Problem(503, "not_caught_up", "\(why): repeat this, or ask another node", retryAfter: 1)
  }
}
