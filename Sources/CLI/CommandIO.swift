internal import Client
internal import Platform

/// Everything outside the process that a command touches.
package struct CommandIO: Sendable {
  /// Takes results; false when nobody reads them any more.
  package var out: @Sendable ([UInt8]) -> Bool
  /// Takes remarks and errors.
  package var err: @Sendable ([UInt8]) -> Void
  /// The next line of the answer to a question; nil at the end.
  package var readLine: @Sendable () -> String?
  /// As `readLine`, but what is typed is not shown.
  package var readSecretLine: @Sendable () -> String?
  /// The bytes of a file with a secret, nil if it is not there; throws if others may read it.
  package var readSecret: @Sendable (String) throws(FileUnreadable) -> [UInt8]?
  /// Writes a file for its owner alone, making its directory.
  package var writeSecret: @Sendable (String, [UInt8]) throws(FileUnreadable) -> Void
  /// The bytes of a file, `-` for the standard input; throws the reason in words.
  package var readFile: @Sendable (String) throws(FileUnreadable) -> [UInt8]
  /// Waits between two tries.
  package var pause: @Sendable (Duration) -> Void
  /// What the clock says, in microseconds since 1970.
  package var now: @Sendable () -> Int64
  /// From now on the keyboard's wish to end does not end the process; the closure says whether there was one.
  package var heedEnd: @Sendable () -> @Sendable () -> Bool
  /// Whether a person reads the results.
  package var outputIsTerminal: Bool
  /// Whether a person reads the remarks.
  package var errorIsTerminal: Bool
  /// Whether a person can be asked.
  package var inputIsTerminal: Bool
  /// Columns for results; nil when there is no limit.
  package var width: Int?

  /// Why a file could not be read.
  package struct FileUnreadable: Error {
    let reason: String

    /// Gives the reason, which names the file.
    package init(_ reason: String) { self.reason = reason }
  }

  /// Joins the closures.
  package init(
    out: @escaping @Sendable ([UInt8]) -> Bool, err: @escaping @Sendable ([UInt8]) -> Void,
    readLine: @escaping @Sendable () -> String? = { nil },
    readSecretLine: (@Sendable () -> String?)? = nil,
    readSecret: @escaping @Sendable (String) throws(FileUnreadable) -> [UInt8]? = { _ throws(FileUnreadable) in nil },
    writeSecret: @escaping @Sendable (String, [UInt8]) throws(FileUnreadable) -> Void = { _, _ throws(FileUnreadable) in
    },
    readFile: @escaping @Sendable (String) throws(FileUnreadable) -> [UInt8],
    pause: @escaping @Sendable (Duration) -> Void = { _ in },
    now: @escaping @Sendable () -> Int64 = { 0 },
    heedEnd: @escaping @Sendable () -> @Sendable () -> Bool = { { false } },
    outputIsTerminal: Bool = false, errorIsTerminal: Bool = false, inputIsTerminal: Bool = false, width: Int? = nil
  ) {
    (self.out, self.err, self.readLine, self.readFile, self.pause) = (out, err, readLine, readFile, pause)
    self.readSecretLine = readSecretLine ?? readLine
    (self.readSecret, self.writeSecret) = (readSecret, writeSecret)
    (self.now, self.heedEnd) = (now, heedEnd)
    (self.outputIsTerminal, self.errorIsTerminal) = (outputIsTerminal, errorIsTerminal)
    (self.inputIsTerminal, self.width) = (inputIsTerminal, width)
  }

  /// No larger file is read.
  package static let fileBytesMax = 256 << 20

  /// The streams of this process; `COLUMNS` decides the width before the terminal does.
  package static func standard(environment: [String: String]) -> CommandIO {
    let columns = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
    return CommandIO(
      out: { StandardStream.output.write($0) }, err: { StandardStream.error.write($0) },
      readLine: { StandardStream.input.readLine() }, readSecretLine: { StandardStream.input.readSecretLine() },
      readSecret: secretFile, writeSecret: keepSecret, readFile: wholeFile, pause: Client.rest,
      now: { WallClock.microseconds }, heedEnd: heedSignals, outputIsTerminal: StandardStream.output.isTerminal,
      errorIsTerminal: StandardStream.error.isTerminal,
      inputIsTerminal: StandardStream.input.isTerminal, width: columns ?? StandardStream.output.columns)
  }

  private static func heedSignals() -> @Sendable () -> Bool {
    _ = TerminationSignals()
    return { TerminationSignals.isPending }
  }

  private static func secretFile(_ path: String) throws(FileUnreadable) -> [UInt8]? {
    do throws(SecretFile.Fault) { return try SecretFile.read(path) } catch { throw FileUnreadable("\(error)") }
  }

  private static func keepSecret(_ path: String, _ bytes: [UInt8]) throws(FileUnreadable) {
    do throws(FileFault) {
      if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
        try FileSystem.makeDirectory(String(path[..<slash]))
      }
    } catch { throw FileUnreadable("\(error)") }
    do throws(SecretFile.Fault) { try SecretFile.write(bytes, to: path) } catch { throw FileUnreadable("\(error)") }
  }

  private static func wholeFile(_ path: String) throws(FileUnreadable) -> [UInt8] {
    guard path == "-" else {
      var size = 0
      do throws(FileFault) {
        let file = try File(path, .read)
        size = try file.size()
        if size <= fileBytesMax { return try file.read(at: 0, count: size) }
      } catch { throw FileUnreadable("\(error)") }
      throw FileUnreadable("\(path) is over \(fileBytesMax >> 20) MiB")
    }
    var bytes: [UInt8] = []
    while case let piece = StandardStream.input.read(1 << 16), !piece.isEmpty {
      bytes += piece
      guard bytes.count <= fileBytesMax else { throw FileUnreadable("the input is over \(fileBytesMax >> 20) MiB") }
    }
    return bytes
  }

  /// Writes text and nothing more to the results.
  @discardableResult func print(_ text: String) -> Bool { out(Array(text.utf8)) }

  /// Writes a line of remarks.
  func remark(_ line: String) { err(Array((line + "\n").utf8)) }
}
