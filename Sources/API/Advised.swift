internal import APITypes
internal import Advisers
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger

/// What is placed at somebody's wish: schedulers outside are asked before the engine is.
extension Call {
  /// Goes on with a request and what they say of it; at once, if there are none or nothing is to be placed.
  func advised(
    _ request: VMRequest, then: @escaping @Sendable (VMRequest) throws(Problem) -> Void
  ) throws(Problem) {
    guard !api.advisers.isEmpty, request.isWanted else { return try then(request) }
    api.advisers.ask(request.key, request.spec) { said in
      var advised = request
      advised.advice = said
      reply.resume { [advised] in answer { () throws(Problem) in try then(advised) } }
    }
  }

  /// Goes on when the engine knows what they say of a VM, and of `node` if it is to go there.
  func advised(
    _ key: VMKey, to node: NodeName? = nil, then: @escaping @Sendable () throws(Problem) -> Void
  ) throws(Problem) {
    let advisers = api.advisers
    guard !advisers.isEmpty, var spec = api.engine.read({ $0.vm(key)?.spec }) else { return try then() }
    if let node { spec.node = node }
    advisers.ask(key, spec) { said in
      // Before the command: the engine takes both in this order.
      advisers.tell([key: said])
      reply.resume { answer(then) }
    }
  }
}
