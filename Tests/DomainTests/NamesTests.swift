import Addressing
import Domain
import Testing

@Suite struct NamesTests {
  static let label63 = String(repeating: "a", count: 63)

  @Test(arguments: ["a", "0", "a-b", "web-1", "a--b", label63]) func dnsLabels(text: String) {
    #expect(PoolName(text)?.text == text)
    #expect(TenantName(text)?.text == text)
    #expect(NetworkName(text)?.text == text)
  }

  @Test(arguments: ["", "-a", "a-", "A", "a.b", "a_b", "a b", "\u{e4}", "a\n", "a\0", label63 + "a"])
  func noDNSLabels(text: String) {
    #expect(PoolName(text) == nil)
    #expect(TenantName(text) == nil)
    #expect(NetworkName(text) == nil)
  }

  @Test(arguments: ["vm-1", "A.b_c:d@e-f", "-", ".", String(repeating: "x", count: 128)]) func owners(text: String) {
    #expect(OwnerName(text)?.text == text)
  }

  @Test(arguments: ["", "a/b", "a b", "a%", "\u{e9}", "a\u{301}", "a\t", String(repeating: "x", count: 129)])
  func noOwners(text: String) { #expect(OwnerName(text) == nil) }

  @Test(arguments: [("n1", true), ("a.b_c-d", true), ("a:b", false), ("a@b", false), ("", false)])
  func nodes(text: String, isOne: Bool) { #expect((NodeName(text) != nil) == isOne) }

  @Test(arguments: [
    ("eth0", true), ("a", true), ("veth@if-1.2", true), ("fifteencharsxyz", true), ("sixteencharsxyz1", false),
    ("", false),
    ("a/b", false), ("a b", false), ("\u{fc}", false), ("a\u{7f}", false),
    // As Linux: an alias, this directory and its parent, names that it numbers, and what sysctl calls by these names.
    ("eth0:1", false), (":", false), (".", false), ("..", false), ("...", true), ("eth%d", false), ("%", false),
    ("all", false), ("default", false), ("all0", true), ("a\t", false)
  ]) func interfaces(text: String, isOne: Bool) { #expect((InterfaceName(text) != nil) == isOne) }

  /// What an earlier rule allowed is read as long as there are rows with it.
  @Test(arguments: ["eth0:1", "veth@if:1.2", ".", "eth%d", "all"])
  func interfacesOfOlderRowsAreRead(text: String) throws {
    let name = try #require(InterfaceName(stored: text))
    #expect(name.text == text && InterfaceName(text) == nil)
    let row = Row.allocation(
      Allocation(
        pool: .simple, block: Prefix(containing: IPAddress("10.0.0.2")!, length: 32),
        owner: OwnerName(trusted: "vm-1"), interface: name, createdAt: 1, generation: 1, revision: 1))
    #expect(try Row(decoding: row.encoded) == row)
    #expect(throws: Never.self) { try AllocationView(row.encoded, 0..<row.encoded.count) }
    var spec = VMSpec(Resources(cpu: 1, memory: 1))
    spec.interfaces = [VMInterface(name: name, source: .pool(.simple))]
    let vm = Row.fleet(.vm(VM(key: VMKey(name: VMName(trusted: "vm-1")), id: VMID(raw: 1), spec: spec)))
    #expect(try Row(decoding: vm.encoded) == vm)
    #expect(InterfaceName(stored: "") == nil && InterfaceName(stored: "sixteencharsxyz1") == nil)
  }

  @Test(arguments: [
    ("a", true), ("Web-1.Example.com", true), ("1.2", true), (label63 + ".x", true), (label63 + "a.x", false),
    ("", false),
    (".", false), ("a.", false), (".a", false), ("a..b", false), ("-a.b", false), ("a-.b", false), ("a_b", false),
    ([label63, label63, label63, String(repeating: "b", count: 61)].joined(separator: "."), true),
    ([label63, label63, label63, String(repeating: "b", count: 62)].joined(separator: "."), false)
  ]) func hostnames(text: String, isOne: Bool) { #expect((Hostname(text) != nil) == isOne) }

  @Test func everyAcceptedLengthFitsTheStoredForm() {
    #expect(PoolName.maxBytes == 63 && OwnerName.maxBytes == 128 && NodeName.maxBytes == 128)
    #expect(InterfaceName.maxBytes == 15 && Hostname.maxBytes == 253 && TenantName.maxBytes == 63)
  }
}

@Suite struct LabelsTests {
  @Test func pairsAreSortedAndFound() {
    let labels = Labels([("z", "1"), ("a", ""), ("m/n.o_p-q", "hello world")])
    #expect(labels?.pairs.map(\.key) == ["a", "m/n.o_p-q", "z"])
    #expect(labels?["a"] == "")
    #expect(labels?["b"] == nil)
  }

  @Test func rulesAreKept() {
    #expect(Labels([("", "x")]) == nil)
    #expect(Labels([("a b", "x")]) == nil)
    #expect(Labels([("a", "x"), ("a", "y")]) == nil)
    #expect(Labels([("a", "\u{e9}")]) == nil)
    #expect(Labels([("a", "\n")]) == nil)
    #expect(Labels([(NamesTests.label63, String(repeating: "~", count: 128))]) != nil)
    #expect(Labels([(NamesTests.label63 + "a", "x")]) == nil)
    #expect(Labels([("a", String(repeating: "v", count: 129))]) == nil)
    #expect(Labels((0..<32).map { ("k\($0)", "v") }) != nil)
    #expect(Labels((0..<33).map { ("k\($0)", "v") }) == nil)
  }

  @Test func aWantedSubsetIsIncluded() {
    guard let have = Labels([("a", "1"), ("b", "2")]), let want = Labels([("b", "2")]), let other = Labels([("b", "3")])
    else {
      Issue.record("labels refused")
      return
    }
    #expect(have.includes(want) && have.includes(.none) && !have.includes(other) && !want.includes(have))
  }
}

@Suite struct TopologyTests {
  @Test func theMoreLevelsAgreeTheMoreSpecific() {
    let rack = Topology(datacenter: "d", zone: "z", rack: "r")
    #expect(Topology().match(rack) == 0)
    #expect(Topology(datacenter: "d").match(rack) == 1)
    #expect(rack.match(rack) == 3)
    #expect(Topology(datacenter: "d", zone: "y").match(rack) == nil)
    #expect(rack.match(Topology(datacenter: "d")) == 1)
  }
}
