internal import Client
internal import Config
internal import Wire

/// Waits until VMs have come where they are meant to come, and tells a person what happens meanwhile.
struct VMWait {
  /// Where they are meant to come.
  enum Goal {
    case running
    /// As `running`, under another placement than the one it begins with.
    case runningAnew
    case stopped
    case gone
  }

  private static let pause = Duration.milliseconds(200)

  private let run: Invocation
  private let goal: Goal
  private let limit: Duration

  init(_ run: Invocation, _ goal: Goal) throws(Failure) {
    (self.run, self.goal) = (run, goal)
    let text = run["timeout"] ?? "2m"
    guard let limit = parseDuration(text) else { throw .usage("--timeout takes a time such as 90s, not '\(text)'") }
    self.limit = limit
  }

  /// Waits for each; the last answers, in the order of `vms`, without those that are gone.
  func run(_ vms: [JSONValue]) throws(Failure) -> [Answer] {
    var left = limit
    var answers: [Answer] = []
    for vm in vms { if let answer = try wait(for: vm, &left) { answers.append(answer) } }
    return answers
  }

  private func wait(for vm: JSONValue, _ left: inout Duration) throws(Failure) -> Answer? {
    let (name, tenant) = (cellText(vm.at("name")), vm["tenant"]?.string)
    let call = Call(.get, ["api", "v1", "vms", name]).asking("tenant", tenant)
    var said = ""
    while true {
      let answer: Answer
      do throws(ClientFault) { answer = try run.connect().send(call) } catch {
        if goal == .gone, case .refused(let refusal) = error, refusal.status == 404 {
          tell("\(name): gone", &said)
          return nil
        }
        throw Failure(error)
      }
      let now: JSONValue
      do throws(ClientFault) { now = try answer.value() } catch { throw Failure(error) }
      let state = cellText(now.at("state"))
      tell("\(name): \(state)" + (now["node"]?.string.map { " on \($0)" } ?? ""), &said)
      if isThere(now, state, since: vm) {
        guard goal != .runningAnew || cellText(vm.at("state")) != "migrating" || now["node"] != vm["leaving"] else {
          throw Failure(.refused, "\(name) did not move", hints: [cellText(now.at("why"))])
        }
        return answer
      }
      guard left > .zero else {
        throw Failure(
          .refused, "\(name) is still \(state) after \(describe(limit))",
          hints: [cellText(now.at("why")), "`berth vm why \(name)` says more; nothing was taken back"])
      }
      run.io.pause(Self.pause)
      left -= Self.pause
    }
  }

  private func isThere(_ vm: JSONValue, _ state: String, since before: JSONValue) -> Bool {
    switch goal {
    case .running: state == "running"
    case .runningAnew:
      state == "running" && vm["leaving"]?.string == nil
        && (cellText(before.at("state")) == "migrating" || vm["epoch"] != before["epoch"])
    case .stopped: state == "stopped"
    case .gone: false
    }
  }

  /// Says each thing once, and only to a person.
  private func tell(_ line: String, _ said: inout String) {
    guard run.io.errorIsTerminal, line != said else { return }
    said = line
    run.io.remark(printable(line))
  }
}
