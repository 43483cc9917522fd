import HTTPClient
import TestSupport
import Testing
import Wire

/// One request of the workload; repeating it changes nothing once it has been done.
struct Step: Sendable {
  let method: String
  let target: String
  let body: String?
  let key: String?

  init(_ method: String, _ target: String, _ body: String? = nil, key: String? = nil) {
    (self.method, self.target, self.body, self.key) = (method, target, body, key)
  }
}

/// A bit of everything that changes something, in an order that always gives the same addresses.
let workload: [Step] = [
  Step("POST", "/api/v1/ip/allocate", #"{"vm_id":"a"}"#),
  Step("POST", "/api/v1/ip/allocate", #"{"vm_id":"b","hostname":"web-b"}"#),
  Step("DELETE", "/api/v1/ip/release/a"),
  Step("POST", "/api/v1/pools", #"{"name":"edge","cidr":"10.1.0.0/20","labels":{"tier":"edge"}}"#, key: "pool-edge"),
  Step("POST", "/api/v1/pools/edge/reservations", #"{"range":"10.1.0.4-10.1.0.9","reason":"routers"}"#, key: "reserve"),
  Step("POST", "/api/v1/pools/edge/allocations", #"{"owner":"trio","count":3}"#, key: "trio"),
  Step("POST", "/api/v1/pools/edge/allocations", #"{"owner":"net","prefix_length":28}"#),
  Step("POST", "/api/v1/ip/allocate", #"{"vm_id":"c"}"#),
  Step("DELETE", "/api/v1/ip/release-by-ip/172.16.0.3"),
  Step("PATCH", "/api/v1/pools/edge", #"{"labels":{"tier":"core"}}"#),
  Step("DELETE", "/api/v1/allocations?owner=trio"),
  Step("POST", "/api/v1/pools", #"{"name":"brief","cidr":"10.2.0.0/24"}"#, key: "pool-brief"),
  Step("DELETE", "/api/v1/pools/brief"),
  Step("POST", "/api/v1/ip/allocate", #"{"vm_id":"d"}"#)
]

/// How one step ended.
enum StepEnd {
  /// Answered: done, or (when repeated) found done.
  case acknowledged(Answer)
  /// Answered: definitely not done.
  case refused(Answer)
  /// No answer, or one that says that nobody knows.
  case unknown
}

extension Berth {
  func perform(_ step: Step) -> StepEnd {
    let headers = step.key.map { [(name: "Idempotency-Key", value: $0)] } ?? []
    let request = ClientRequest(
      step.method, step.target, headers: headers, body: step.body.map { Array($0.utf8) }, mayRepeat: false)
    guard let answer = try? Answer(client.send(request)), answer.status != 504 else { return .unknown }
    return answer.status == 503 ? .refused(answer) : .acknowledged(answer)
  }
}

/// What an undisturbed run does: the state before the first step and after each, and every answer.
struct Reference {
  private(set) var states: [JSONValue] = []
  private(set) var answers: [Answer] = []
  private(set) var diskSteps = 0
}

extension Reference {
  /// Runs the workload on `directory`, counting what the process does to its disk.
  init(_ directory: String, in parent: String) throws {
    let note = "\(parent)/count"
    let environment = FaultShim.environment("count", at: 0, below: parent, note: note)
    let berth = try Berth(directory, crashLoopFlags, environment: environment)
    states.append(try berth.state())
    for step in workload {
      guard case .acknowledged(let answer) = berth.perform(step), (200...299).contains(answer.status) else {
        throw Unexpected("the workload does not run: \(step.method) \(step.target): \(berth.perform(step))")
      }
      answers.append(answer)
      states.append(try berth.state())
    }
    guard berth.stop() == .exited(0) else { throw Unexpected("did not stop: \(berth.errors)") }
    diskSteps = Files.text(note).flatMap { Int($0.prefix { $0.isNumber }) } ?? 0
  }
}

/// Snapshots are taken often, so that the loop meets them too.
let crashLoopFlags = ["--snapshot-every", "4"]
