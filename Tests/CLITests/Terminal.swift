import TestSupport

@testable import CLI

/// What a run of the whole program left behind.
struct Ran: Sendable {
  let code: Int32
  let out: String
  let err: String
  /// What was written for its owner alone, by path.
  var kept: [String: String] = [:]
}

/// What the program finds around it.
struct Surroundings: Sendable {
  var environment: [String: String] = [:]
  var files: [String: String] = [:]
  /// Files for their owner alone.
  var secrets: [String: String] = [:]
  /// Files with secrets that others may read.
  var open: Set<String> = []
  /// The lines that a person types; with any, the input is a terminal.
  var typed: [String] = []
  var isTerminal = false
  var width: Int?
  /// What the clock says, each time it is asked.
  var now: @Sendable () -> Int64 = { 0 }
  /// How often a command looks before Ctrl-C has been pressed.
  var looksUntilPressed = Int.max
}

/// Runs `berth` with the words of `line`, in-process; `server` is put into the environment.
func berth(
  _ line: String, at server: ScriptedServer? = nil, around: Surroundings = Surroundings()
) -> Ran {
  berth(line.split(separator: " ").map(String.init), at: server, around: around)
}

func berth(
  _ words: [String], at server: ScriptedServer? = nil, around: Surroundings = Surroundings(),
  handlers: Handlers = testHandlers
) -> Ran {
  let out = Shared<[UInt8]>([])
  let err = Shared<[UInt8]>([])
  let typed = Shared(around.typed)
  let files = around.files
  let (secrets, open) = (around.secrets, around.open)
  let kept = Shared<[String: String]>([:])
  let io = CommandIO(
    out: { bytes in
      out.withLock { $0 += bytes }
      return true
    },
    err: { bytes in err.withLock { $0 += bytes } },
    readLine: { typed.withLock { $0.isEmpty ? nil : $0.removeFirst() } },
    readSecret: { (path) throws(CommandIO.FileUnreadable) in
      if open.contains(path) { throw CommandIO.FileUnreadable("\(path) holds a secret and others may read it") }
      return secrets[path].map { Array($0.utf8) }
    },
    writeSecret: { (path, bytes) throws(CommandIO.FileUnreadable) in
      kept.withLock { $0[path] = String(decoding: bytes, as: UTF8.self) }
    },
    readFile: { (path) throws(CommandIO.FileUnreadable) in
      guard let text = files[path] else { throw CommandIO.FileUnreadable("cannot open \(path): not there") }
      return Array(text.utf8)
    }, now: around.now,
    heedEnd: {
      let looks = Shared(0)
      return {
        looks.withLock { count in
          count += 1
          return count > around.looksUntilPressed
        }
      }
    },
    outputIsTerminal: around.isTerminal, errorIsTerminal: around.isTerminal,
    inputIsTerminal: around.isTerminal && !around.typed.isEmpty, width: around.width)
  var environment = around.environment
  if let server { environment["BERTH_SERVER"] = server.url }
  let code = CLI.run(arguments: words, environment: environment, handlers: handlers, io: io)
  return Ran(
    code: code, out: String(decoding: out.withLock { $0 }, as: UTF8.self),
    err: String(decoding: err.withLock { $0 }, as: UTF8.self), kept: kept.withLock { $0 })
}

/// Handlers that print what they were given.
let testHandlers = Handlers(
  version: "1.2.3",
  serve: { options, io in
    io.print("\(options.host) \(options.port) \(options.dataDirectory) \(options.network ?? "-") ")
    io.print("\(options.gateway ?? "-") \(options.debug) \(options.insecure) \(options.corsOrigins)\n")
    return 0
  },
  check: { options, io in
    io.print("check \(options.dataDirectory) \(options.rebuild) \(options.json)\n")
    return 7
  },
  dumpLog: { options, io in
    io.print("dump \(options.dataDirectory) \(options.since ?? 0) \(options.limit ?? 0)\n")
    return 70
  })
