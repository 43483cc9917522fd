internal import Client
internal import Config

/// Why a command did not do what was asked: an exit code, a sentence, and the way out.
struct Failure: Error, Sendable {
  let exit: ExitCode
  let sentence: String
  /// Further lines: each field with its rule, what to do.
  let hints: [String]

  init(_ exit: ExitCode, _ sentence: String, hints: [String] = []) {
    (self.exit, self.sentence, self.hints) = (exit, sentence, hints)
  }

  /// Something that was typed wrongly.
  static func usage(_ sentence: String, _ hint: String? = nil) -> Failure {
    Failure(.usage, sentence, hints: hint.map { [$0] } ?? [])
  }

  init(_ fault: ConfigFault) { self = .usage("\(fault.place) \(fault.rule)", fault.remedy) }

  init(_ faults: ConfigFaults) {
    let lines = faults.faults.map { "\($0)" }
    self = Failure(.usage, lines[0], hints: Array(lines.dropFirst()))
  }

  init(_ fault: ClientFault) {
    switch fault {
    case .refused(let refusal): self = Failure(refusal)
    case .noServer(let sentence):
      self = Failure(
        .noServer, sentence, hints: ["nothing was changed; is `berth serve` running, and is --server right?"])
    case .outcomeUnknown(let sentence):
      self = Failure(
        .outcomeUnknown, "\(sentence); the outcome is unknown",
        hints: ["the change may have been made: look before you repeat it"])
    case .notBerth(let sentence):
      self = Failure(.noServer, sentence, hints: ["is it Berth that answers at --server?"])
    case .cutOff(let sentence):
      self = Failure(.noServer, "the answer was cut off: \(sentence)", hints: ["run the command again"])
    case .invalid(let sentence): self = .usage(sentence)
    }
  }

  private init(_ refusal: Refusal) {
    let exit: ExitCode =
      switch (refusal.status, refusal.code) {
      case (401, _), (403, _), (429, _): .notAllowed
      case (404, _): .notFound
      case (503, "storage_failed"): .storageFailed
      case (504, _): .outcomeUnknown
      default: refusal.isTemporary ? .noServer : .refused
      }
    let fields = refusal.fields.map { "\($0.name): \($0.message)" }
    // The detail of a single field says what the field's own line says, and perhaps at which byte of a body that nobody
    // has typed.
    if fields.count == 1 {
      self = Failure(exit, refusal.detail.hasPrefix(fields[0]) ? fields[0] : refusal.detail)
    } else {
      self = Failure(exit, refusal.detail, hints: fields)
    }
  }

  /// `error: sentence`, and the way out below it.
  func report(to io: CommandIO, _ style: Style) {
    io.remark(style.red("error:") + " " + printable(sentence))
    for hint in hints { io.remark("  " + printable(hint)) }
  }
}
