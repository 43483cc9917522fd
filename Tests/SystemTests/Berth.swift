// SystemTests: the whole binary, as users and disks meet it.
//
// Everything here runs the real executable in directories of its own, on ports that the system chooses, and looks only
// at what a user can see: answers, printed lines, exit codes, what is there after the next start. Nothing of the product
// is imported but the client half (HTTP, JSON). The binary is the one that was built with these tests, or the one that
// BERTH_BINARY names (the slow tests run the release binary through the same suites).
//
// The crash loop (CrashLoop.swift) is the proof behind "never forgets what it has acknowledged": a shim between the
// process and the disk fails the Nth step for every N, and what comes back is compared with what had been answered.
import Foundation
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// One server process and a client for it; killed with the object.
final class Berth {
  let process: ChildProcess
  let directory: String
  let port: UInt16
  let client: HTTPClient
  private let isSecure: Bool
  /// What every request shows.
  var token: String?

  var url: String { "\(isSecure ? "https" : "http")://127.0.0.1:\(port)" }
  var errors: String { process.errors }

  /// The process ended, or said nothing, before it served.
  struct DidNotServe: Error, CustomStringConvertible {
    let status: TestSupport.ExitStatus?
    let output: String
    let errors: String
    var description: String { "did not serve: \(status.map { "\($0)" } ?? "still running")\n\(output)\(errors)" }
  }

  /// Starts `berth serve` on a free port and waits until it says that it serves; `tls` is how the test asks it, `ulimit`
  /// what the shell limits first.
  init(
    _ directory: String, _ arguments: [String] = [], port: UInt16 = 0, environment: [String: String] = [:],
    tls: TLSContext? = nil, ulimit: String? = nil
  ) throws {
    isSecure = tls != nil
    self.directory = directory
    let shell = ulimit.map { ["sh", "-c", "ulimit \($0) && exec \"$0\" \"$@\""] } ?? []
    let command = shell + [Berth.binary, "serve", "--data-dir", directory, "--port", "\(port)"] + arguments
    let process = try ChildProcess(command[0], Array(command.dropFirst()), environment: environment)
    self.process = process
    _ = eventually { servedPort(process.output) != nil || process.poll() != nil }
    guard let port = servedPort(process.output) else {
      throw DidNotServe(status: process.poll(), output: process.output, errors: process.errors)
    }
    self.port = port
    var options = HTTPClientOptions()
    options.maxConnections = 64
    options.maxIdle = 64
    client = HTTPClient(.tcp(host: "127.0.0.1", port: port), options: options, tls: tls)
  }

  /// The executable under test.
  static let binary: String = {
    if let named = ProcessInfo.processInfo.environment["BERTH_BINARY"] { return named }
    // The test bundle lies beside the executable.
    let bundle = CommandLine.arguments.first { $0.contains(".xctest") } ?? CommandLine.arguments[0]
    let parts = bundle.split(separator: "/", omittingEmptySubsequences: false)
    let place = parts.prefix { !$0.hasSuffix(".xctest") }.joined(separator: "/") + "/berth"
    return place.hasPrefix("/") ? place : FileManager.default.currentDirectoryPath + "/" + place
  }()

  /// Runs another command of the executable to its end.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], workingDirectory: String? = nil
  ) throws -> Ended {
    try ChildProcess.run(
      binary, arguments, environment: environment, workingDirectory: workingDirectory, deadline: .seconds(30))
  }

  /// Ends the process politely and returns its exit status.
  @discardableResult func stop() -> TestSupport.ExitStatus? {
    client.closeIdle()
    process.kill(SIGTERM)
    return process.waitForExit()
  }

  /// Ends the process as a power switch would.
  func crash() {
    process.kill(SIGKILL)
    _ = process.waitForExit()
  }
}

/// The port in a whole line `berth serves URL (...)`.
private func servedPort(_ output: String) -> UInt16? {
  guard let line = output.split(separator: "\n").first(where: { $0.hasPrefix("berth serves ") }), line.contains(")")
  else { return nil }
  return line.split(separator: " ")[2].split(separator: ":").last.flatMap { UInt16($0) }
}

/// One answer, read as JSON where it is JSON.
struct Answer {
  let status: Int
  let json: JSONValue
  let text: String
  let response: ClientResponse

  init(_ response: ClientResponse) throws {
    self.response = response
    status = response.status
    text = String(decoding: response.body, as: UTF8.self)
    let isJSON = response.header("content-type")?.contains("json") ?? false
    json = isJSON && !response.body.isEmpty ? try JSONValue(parsing: response.body) : .null
  }

  subscript(_ key: String) -> JSONValue? { json[key] }
  var code: String? { json["code"]?.string }
  var ip: String? { json["ip"]?.string }
}

extension Berth {
  /// Sends one request and returns its answer.
  func send(
    _ method: String, _ target: String, _ body: String? = nil, headers: [(name: String, value: String)] = []
  ) throws -> Answer {
    var headers = headers
    if let token, !headers.contains(where: { $0.name == "Authorization" }) {
      headers.append((name: "Authorization", value: "Bearer \(token)"))
    }
    return try Answer(client.send(ClientRequest(method, target, headers: headers, body: body.map { Array($0.utf8) })))
  }

  func get(_ target: String) throws -> Answer { try send("GET", target) }

  /// Asks the simple API for an address.
  func allocate(_ vm: String) throws -> Answer { try send("POST", "/api/v1/ip/allocate", #"{"vm_id":"\#(vm)"}"#) }

  /// What every pool, reservation and allocation is, without the times at which it became so.
  func state() throws -> JSONValue {
    let export = try get("/api/v1/export")
    guard export.status == 200 else { throw Unexpected("export: \(export.status) \(export.text)") }
    return withoutTimes(export.json)
  }
}

/// Something that a test cannot go on with.
struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

private func withoutTimes(_ value: JSONValue) -> JSONValue {
  switch value {
  case .object(let members):
    let kept = members.filter { $0.key != "time" && !$0.key.hasSuffix("_at") }
    return .object(kept.map { .init($0.key, withoutTimes($0.value)) })
  case .array(let elements): return .array(elements.map(withoutTimes))
  default: return value
  }
}

/// Runs `body` for each number on a thread of its own and returns what they made, in order.
func together<T>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> T) throws -> [T] {
  let results = Shared([Result<T, any Error>?](repeating: nil, count: count))
  let threads = (0..<count).map { index in
    Thread(name: "client \(index)") {
      let result = Result { try body(index) }
      results.withLock { $0[index] = result }
    }
  }
  for thread in threads { thread.join() }
  return try results.withLock { $0 }.map { try $0!.get() }
}
