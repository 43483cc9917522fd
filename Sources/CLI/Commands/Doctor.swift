internal import Client
internal import Wire

/// One thing that was looked at.
private struct Finding {
  let subject: String
  let isWell: Bool
  let detail: String

  var value: JSONValue {
    .object([.init("check", .string(subject)), .init("ok", .bool(isWell)), .init("detail", .string(detail))])
  }
}

func examine(_ run: Invocation) throws(Failure) -> ExitCode {
  if run.has("confirm-time") {
    return try run.show(run.call(.post, "clock", "confirm"), name: "confirmed")
  }
  let answer = try run.send(run.call(.get, "health"))
  let health: JSONValue
  do throws(ClientFault) { health = try answer.value() } catch { throw Failure(error) }
  let findings = examined(health, version: run.handlers.version) + guarded(run)
  switch run.printer.format {
  case .table:
    let style = run.printer.style
    for finding in findings {
      let mark = finding.isWell ? style.green("ok") : style.red("!!")
      run.io.print("\(mark)  \(finding.subject): \(printable(finding.detail))\n")
    }
  default: run.printer.show(.array(findings.map(\.value)))
  }
  return findings.allSatisfy(\.isWell) ? .ok : .differs
}

/// What the server says of its own security; whoever may not ask is told so, and it is no fault.
private func guarded(_ run: Invocation) -> [Finding] {
  let value: JSONValue
  do throws(ClientFault) {
    value = try run.connect().send(run.call(.get, "security")).value()
  } catch {
    guard case .refused(let refusal) = error, refusal.status != 404 else { return [] }
    return [Finding(subject: "security", isWell: true, detail: "not looked at: \(refusal.detail)")]
  }
  return (value["findings"]?.elements ?? []).map { finding in
    Finding(
      subject: cellText(finding.at("check")), isWell: finding["ok"]?.bool ?? true,
      detail: cellText(finding.at("detail")))
  }
}

private func examined(_ health: JSONValue, version: String) -> [Finding] {
  var findings: [Finding] = []
  let status = cellText(health.at("status"))
  findings.append(Finding(subject: "server", isWell: status == "ok", detail: "answers, status \(status)"))
  if let theirs = health["version"]?.string {
    let same = theirs == version
    findings.append(
      Finding(subject: "version", isWell: same, detail: same ? theirs : "the server is \(theirs), this is \(version)"))
  }
  let remedies = [
    ("clock_held", "clock", "held after a jump: compare it, then `berth doctor --confirm-time`"),
    ("expiry_held", "expiry", "held, many leases are due at once: look, then `berth doctor --confirm-time`"),
    ("storage_full", "storage", "full: writes are refused until there is room")
  ]
  for (key, subject, detail) in remedies {
    guard let isHeld = health[key]?.bool else { continue }
    findings.append(Finding(subject: subject, isWell: !isHeld, detail: isHeld ? detail : "well"))
  }
  if let found = health["findings"]?.integer(Int.self) {
    let detail = found == 0 ? "well" : "\(found) findings of the scrub: the server's log names them and the way out"
    findings.append(Finding(subject: "data", isWell: found == 0, detail: detail))
  }
  return findings
}
