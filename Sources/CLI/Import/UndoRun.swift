internal import Client
internal import Platform
internal import Wire

/// Takes an import back: releases what still carries its label, each address with the generation that was seen.
///
/// Several releases are under way at a time, because the server makes all that wait durable with one flush. Each is its
/// own request and its own entry: an undo that breaks off has released a part, and the same line again does the rest.
struct UndoRun {
  /// Requests under way at a time; the client's pool has as many connections.
  static let together = 16
  /// Requests between two looks at the progress.
  static let round = 256

  private let run: Invocation
  private let client: Client
  private let id: String

  init(_ run: Invocation, _ id: String) {
    (self.run, self.id) = (run, id)
    client = run.connect()
  }

  func perform() throws(Failure) -> ExitCode {
    let releases = try found()
    guard !releases.isEmpty else { throw Failure(.notFound, "nothing is left of import \(id)") }
    try run.confirm("release the \(releases.count) addresses of import \(id)")
    var progress = Progress("released", of: releases.count, run.io)
    var tally = Tally.Counts()
    for start in stride(from: 0, to: releases.count, by: Self.round) {
      let part = releases[start..<min(start + Self.round, releases.count)]
      tally.add(send(part))
      if let fault = tally.fault {
        progress.end()
        let failure = Failure(fault)
        let left = "\(tally.released) of \(releases.count) addresses were released: the same command does the rest"
        throw Failure(failure.exit, failure.sentence, hints: failure.hints + [left])
      }
      progress.advance(part.count)
    }
    progress.end()
    run.printer.show(
      .object([
        .init("import_id", .string(id)), .init("dry_run", .bool(run.has("dry-run"))),
        .init("released", JSONValue(tally.released)), .init("no_longer_of_it", JSONValue(tally.others))
      ]), name: "import_id")
    return .ok
  }

  /// The releases to ask for, page by page.
  private func found() throws(Failure) -> [Call] {
    var calls: [Call] = []
    let label = "berth.import=\(id)"
    var pages = Pages(client, run.call(.get, "allocations").asking("label", label).asking("limit", "1000"))
    do throws(ClientFault) {
      while let page = try pages.next() {
        for item in page.value["items"]?.elements ?? [] {
          calls.append(
            run.call(.delete, "pools", cellText(item.at("pool")), "allocations", cellText(item.at("ip")))
              .asking("generation", item["generation"]?.numberText))
        }
      }
    } catch { throw Failure(error) }
    return calls
  }

  private func send(_ calls: ArraySlice<Call>) -> Tally.Counts {
    let tally = Tally()
    let threads = (0..<min(Self.together, calls.count)).map { turn in
      Thread(name: "berth-undo") { [client] in
        for index in stride(from: calls.startIndex + turn, to: calls.endIndex, by: Self.together) {
          guard tally.isGood else { return }
          do throws(ClientFault) {
            _ = try client.send(calls[index])
            tally.note(nil)
          } catch { tally.note(error) }
        }
      }
    }
    for thread in threads { thread.join() }
    return tally.counts
  }
}

/// What becomes of the releases of several threads.
// Unchecked because `lock` guards what changes.
private final class Tally: @unchecked Sendable {
  struct Counts {
    var released = 0
    var others = 0
    var fault: ClientFault?

    mutating func add(_ more: Counts) {
      released += more.released
      others += more.others
      fault = fault ?? more.fault
    }
  }

  private let lock = Lock()
  private var noted = Counts()

  var counts: Counts { lock.withLock { noted } }
  var isGood: Bool { lock.withLock { noted.fault == nil } }

  func note(_ fault: ClientFault?) {
    lock.withLock {
      guard let fault else {
        noted.released += 1
        return
      }
      // Gone, or somebody else's by now: either way no longer of this import.
      if case .refused(let refusal) = fault, refusal.status == 404 || refusal.code == "stale_generation" {
        noted.others += 1
      } else if noted.fault == nil {
        noted.fault = fault
      }
    }
  }
}
