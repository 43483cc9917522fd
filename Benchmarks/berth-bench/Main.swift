// berth-bench: the instruments of the benchmark.
//
// `echo` is the limit: the least that one epoll loop can do to answer an HTTP request, so that every server is
// judged as a ratio to what the machine allows at that minute. `load` drives any server of the simple API and
// reads its CPU time from /proc, which is the figure to trust on a shared machine. `commit` is the limit of a
// durable write: one bare 150-byte commit, by SQLite as Berth's log uses it or by a plain file.
//
// Nothing of the product is measured from the inside here but what a plain call can show; the driver
// (Benchmarks/run.py) starts the servers, interleaves the rounds and writes the tables. Everything is bounded:
// connections, buffers, unexpected answers, reconnects, and a run that stops making progress is ended.
// Refused: an outside load generator (its script engine becomes the limit at 100,000 requests a second).
import Glibc

/// What ends a run early, in a sentence for the terminal.
struct Failure: Error {
  let message: String
  init(_ message: String) { self.message = message }

  /// A failed system call, with the reason the kernel gave.
  static func system(_ call: String) -> Failure { Failure("\(call): \(String(cString: strerror(errno)))") }
}

@main
enum Main {
  static let usage = """
    usage: berth-bench echo --port P
           berth-bench load --port P --path /api/v1/ip/vm-%n [--method GET|POST|DELETE] [--body TEMPLATE]
               [--connections 1] [--seconds 3 | --count N] [--warmup 0.5] [--rate PER_SECOND] [--pid PID]
               [--expect 200,201] [--first 0] [--digits 13] [--random-range K] [--seed 1]
               [--address-base 10.0.0.0 --address-stride 1] [--windows MILLISECONDS --windows-file FILE] [--json]
           berth-bench commit --dir DIR [--engine sqlite|file] [--bytes 150] [--seconds 3] [--json]
           berth-bench ledger [--count 1000000] [--short | --pools 16384 | --many-vms 1000000 | --vms 20000 [--reports]]
           berth-bench placement [--nodes 10000] [--vms 1000000] [--churn 1000000] [--preemptions 2000]
               [--trace DIR] [--only fleet|packing] [--seed 1]
    In --path and --body: %n is the number of the request (--first upwards), %r a random number below
    --random-range, both in --digits digits; %a is the address --address-base + %n * --address-stride.
    """

  static func main() {
    do throws(Failure) {
      try run(Array(CommandLine.arguments.dropFirst()))
    } catch {
      complain("berth-bench: \(error.message)", exit: 1)
    }
  }

  static func run(_ arguments: [String]) throws(Failure) {
    guard let command = arguments.first else { complain(usage, exit: 2) }
    let rest = Array(arguments.dropFirst())
    switch command {
    case "echo": try Echo.main(Options(rest, known: ["port"]))
    case "load": try Load.main(Options(rest, known: Load.Plan.options, switches: ["json"]))
    case "commit":
      try Commit.main(Options(rest, known: ["dir", "engine", "bytes", "seconds"], switches: ["json"]))
    case "placement":
      try PlacementBench.main(
        Options(rest, known: ["nodes", "vms", "churn", "preemptions", "trace", "only", "seed"]))
    case "ledger":
      try LedgerBench.main(Options(rest, known: ["count", "pools", "many-vms", "vms"], switches: ["short", "reports"]))
    default: complain(usage, exit: 2)
    }
  }

  /// Says what is wrong on descriptor 2 (the C variable `stderr` is mutable and so not for Swift) and ends.
  private static func complain(_ text: String, exit code: Int32) -> Never {
    let bytes = Array((text + "\n").utf8)
    _ = write(2, bytes, bytes.count)
    exit(code)
  }
}
