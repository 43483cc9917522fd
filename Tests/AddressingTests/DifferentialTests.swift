import Addressing
import Glibc
import TestSupport
import Testing

/// The same text to Berth, to the C library and to Python: all must agree but where the comment says why not.
@Suite struct DifferentialTests {
  @Test func agreesWithTheCLibrary() {
    var random = SeededRandom(announcedAs: "agreesWithTheCLibrary")
    for _ in 0..<20_000 {
      let text = addressText(&random)
      let ours = IPAddress(text)
      let theirs = parsedByTheCLibrary(text)
      // Refused on purpose: IPv4-mapped addresses.
      if let theirs, AddressRange.ipv4Mapped.contains(theirs) {
        #expect(ours == nil)
      } else if ours != theirs {
        Issue.record(
          "seed \(random.seed): '\(text)' is \(String(describing: ours)), C says \(String(describing: theirs))")
      }
      // inet_ntop still writes the long-deprecated IPv4-compatible addresses (::a.b.c.d) with dots.
      if let ours, !(ours.family == .ipv6 && ours.bits >> 32 == 0), printedByTheCLibrary(ours) != ours.description {
        Issue.record("seed \(random.seed): \(ours), C says \(printedByTheCLibrary(ours))")
      }
    }
  }

  @Test func agreesWithPython() throws {
    var random = SeededRandom(announcedAs: "agreesWithPython")
    let addresses = (0..<10_000).map { _ in addressText(&random) }
    let prefixes = (0..<10_000).map { _ in prefixText(&random) }
    // In hexadecimal, because mutated text may hold a line feed.
    let lines = (addresses.map { "a" + hex($0) } + prefixes.map { "p" + hex($0) }).joined(separator: "\n")
    guard let ended = try? ChildProcess.run("python3", ["-c", oracle], input: Array(lines.utf8)),
      ended.status != .exited(127)
    else {
      print("skipped agreesWithPython: there is no python3 here")
      return
    }
    try #require(ended.status == .exited(0), "\(ended.errors)")
    let answers = ended.output.split(separator: "\n").map(String.init)
    try #require(answers.count == addresses.count + prefixes.count)
    for (text, answer) in zip(addresses, answers) where (IPAddress(text)?.description ?? "-") != answer {
      Issue.record("seed \(random.seed): '\(text)' is \(String(describing: IPAddress(text))), Python says \(answer)")
    }
    for (text, answer) in zip(prefixes, answers.dropFirst(addresses.count)) where described(text) != answer {
      Issue.record("seed \(random.seed): '\(text)' is \(described(text)), Python says \(answer)")
    }
  }

  private func described(_ text: String) -> String {
    guard let prefix = try? Prefix(parsing: text) else { return "-" }
    let mask = prefix.family == .ipv4 ? prefix.mask.description : "-"
    return "\(prefix) \(prefix.last) \(AddressCount(of: prefix.range)) \(mask)"
  }

  private func hex(_ text: String) -> String {
    text.utf8.map { String(UInt16($0) | 0x100, radix: 16).dropFirst() }.joined()
  }
}

/// Prints what Python's ipaddress makes of each line. What Berth refuses on purpose is refused here too: zones,
/// IPv4-mapped addresses, lengths with leading zeros, dotted masks, a network without a length.
private let oracle = """
  import ipaddress, sys
  def address(text):
      if '%' in text: raise ValueError
      a = ipaddress.ip_address(text)
      if a.version == 6 and a.ipv4_mapped is not None: raise ValueError
      return a
  def canonical(a):
      if a.version == 6 and a.ipv4_mapped is not None: return '::ffff:%x:%x' % (int(a) >> 16 & 0xffff, int(a) & 0xffff)
      return str(a)
  for line in sys.stdin:
      text = bytes.fromhex(line[1:].strip()).decode()
      try:
          if line[0] == 'a':
              print(address(text))
          else:
              first, slash, length = text.partition('/')
              if str(int(length)) != length or not length.isascii(): raise ValueError
              address(first)
              n = ipaddress.ip_network(text)
              mask = n.netmask if n.version == 4 else '-'
              last = canonical(n.broadcast_address)
              print('%s/%d %s %d %s' % (n.network_address, n.prefixlen, last, n.num_addresses, mask))
      except ValueError:
          print('-')
  """

/// Text that is an address, nearly one, or not at all.
private func addressText(_ random: inout SeededRandom) -> String {
  let text: String
  switch Int.random(in: 0..<6, using: &random) {
  case 0: text = IPAddress(v4: UInt32(truncatingIfNeeded: random.next())).description
  case 1: text = IPAddress(v6: sparse(&random)).description
  case 2: text = groupsAsTheyCome(&random)
  case 3: text = IPAddress(v6: sparse(&random) & ~0xFFFF_FFFF).description + ":1.2.3.4"
  case 4: text = "::" + IPAddress(v4: UInt32(truncatingIfNeeded: random.next())).description
  default: return String((0..<Int.random(in: 0...20, using: &random)).map { _ in random.pick(alphabet) })
  }
  return random.oneIn(2) ? text : mutated(text, &random)
}

private func prefixText(_ random: inout SeededRandom) -> String {
  let family: AddressFamily = random.oneIn(2) ? .ipv4 : .ipv6
  let bits = family == .ipv4 ? UInt128(UInt32(truncatingIfNeeded: random.next())) : sparse(&random)
  let address = IPAddress(family: family, bits: bits)
  let length = Int.random(in: 0...family.bitCount, using: &random)
  switch Int.random(in: 0..<4, using: &random) {
  case 0: return "\(address)/\(length)"
  case 1: return mutated("\(address)/\(length)", &random)
  default: return "\(Prefix(containing: address, length: length))"
  }
}

/// Eight or fewer groups with `::` anywhere, long zeros, either case.
private func groupsAsTheyCome(_ random: inout SeededRandom) -> String {
  let groups = (0..<Int.random(in: 1...9, using: &random)).map { _ in
    let hex = String(UInt16(truncatingIfNeeded: sparse(&random)), radix: 16, uppercase: random.oneIn(2))
    return random.oneIn(3) ? String("0000\(hex)".suffix(4)) : hex
  }
  return groups.dropFirst().reduce(groups[0]) { $0 + (random.oneIn(6) ? "::" : ":") + $1 }
    + (random.oneIn(8) ? "::" : "")
}

private let alphabet = Array("0123456789abcdefABCDEF::::....%/-+ gxX\té٣")

private func mutated(_ text: String, _ random: inout SeededRandom) -> String {
  var characters = Array(text)
  for _ in 0..<Int.random(in: 1...3, using: &random) {
    let place = Int.random(in: 0...characters.count, using: &random)
    switch Int.random(in: 0..<3, using: &random) {
    case 0: characters.insert(random.pick(alphabet), at: place)
    case 1 where place < characters.count: characters.remove(at: place)
    case 2 where place < characters.count: characters[place] = random.pick(alphabet)
    default: continue
    }
  }
  return String(characters)
}

private func parsedByTheCLibrary(_ text: String) -> IPAddress? {
  var bytes = [UInt8](repeating: 0, count: 16)
  if inet_pton(AF_INET, text, &bytes) == 1 {
    return IPAddress(v4: bytes[..<4].reduce(0) { $0 << 8 | UInt32($1) })
  }
  guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
  return IPAddress(v6: bytes.reduce(0) { $0 << 8 | UInt128($1) })
}

private func printedByTheCLibrary(_ address: IPAddress) -> String {
  let length = address.family.bitCount / 8
  let bytes = (0..<length).map { UInt8(truncatingIfNeeded: address.bits >> UInt128(8 * (length - 1 - $0))) }
  var text = [CChar](repeating: 0, count: 64)
  _ = inet_ntop(address.family == .ipv4 ? AF_INET : AF_INET6, bytes, &text, 64)
  return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
