internal import Client
internal import Wire

/// `vm network`: the interfaces as a table, or one of the texts that tell the guest.
func showNetwork(_ run: Invocation) throws(Failure) -> ExitCode {
  if run.has("cloud-init"), run.has("kernel") { throw .usage("--cloud-init and --kernel are two texts", "ask for one") }
  let answer = try run.send(run.vm(.get, "network"))
  if run.has("cloud-init") {
    return try run.printText(
      "network_config", of: answer,
      orWhy: "an interface of \(run.needed(0)) has no address yet",
      "`berth vm why \(run.needed(0))` says what it waits for")
  }
  if run.has("kernel") {
    return try run.printText(
      "kernel_argument", of: answer, orWhy: "a kernel cannot be told the network of \(run.needed(0)) in one argument",
      "it takes an IPv4 address, not in a /32, with its gateway in its network; --cloud-init has no such limits")
  }
  try run.printer.show(answer, .guestInterface, list: "interfaces")
  return .ok
}

extension Invocation {
  /// Prints text of an answer for a file or a script.
  fileprivate func printText(
    _ member: String, of answer: Answer, orWhy problem: String, _ hint: String
  ) throws(Failure) -> ExitCode {
    let value: JSONValue
    do throws(ClientFault) { value = try answer.value() } catch { throw Failure(error) }
    guard let text = value[member]?.string else { throw Failure(.refused, problem, hints: [hint]) }
    for line in text.split(separator: "\n") { io.print(printable(String(line)) + "\n") }
    return .ok
  }
}

extension Shape {
  fileprivate static let guestInterface = Shape(
    fields: [
      Field("INTERFACE", "name"), Field("MAC", "mac"),
      Field("ADDRESSES") { each($0) { "\(cellText($0.at("ip")))/\(cellText($0.at("prefix_length")))" } },
      Field("GATEWAY") { each($0) { cellText($0.at("gateway")) } },
      Field("DNS") { each($0) { cellText($0.at("dns")) } },
      Field("VLAN", isRight: true) { each($0) { cellText($0.at("vlan")) } },
      Field("MTU", isRight: true) { each($0) { cellText($0.at("mtu")) } },
      Field("POOL") { each($0) { cellText($0.at("pool")) } }
    ], name: "name")

  /// What its addresses have, each value once.
  private static func each(_ item: JSONValue, _ cell: (JSONValue) -> String) -> String {
    var cells: [String] = []
    for text in (item["addresses"]?.elements ?? []).map(cell) where !text.isEmpty && !cells.contains(text) {
      cells.append(text)
    }
    return cells.joined(separator: ",")
  }
}
