import APITypes
import Addressing
import Domain
import Testing
import Wire

@Suite("Shapes read back what was written")
struct ShapeTests {
  @Test func instantsAreRFC3339BothWays() {
    for (text, time) in [
      ("1970-01-01T00:00:00.000000Z", 0), ("2026-01-31T12:00:00.000001Z", 1_769_860_800_000_001),
      ("2000-02-29T23:59:59.999999Z", 951_868_799_999_999), ("9999-12-31T23:59:59.000000Z", 253_402_300_799_000_000)
    ] as [(String, LogTime)] {
      #expect(Instant.text(time) == text)
      #expect(Instant.parse(text) == time)
    }
    #expect(Instant.parse("2026-01-31T13:30:00+01:30") == Instant.parse("2026-01-31T12:00:00Z"))
    #expect(Instant.parse("2026-01-31T12:00:00.5Z") == Instant.parse("2026-01-31T12:00:00.500000Z"))
    for bad in [
      "", "2026-01-31", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z",
      "2026-01-31T12:00:00", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00.1234567Z", "2026-01-31T12:00:00Zx",
      "1969-12-31T23:59:59Z", "2026-01-31 12:00:00Z"
    ] { #expect(Instant.parse(bad) == nil, "\(bad)") }
  }

  @Test func everyDayOf400YearsComesBack() {
    for day in stride(from: 0, to: 146_097, by: 1) {
      let time = LogTime(day) * 86_400_000_000 + 1
      #expect(Instant.parse(Instant.text(time)) == time)
    }
  }

  @Test func poolsComeBack() throws {
    let cidr = try Prefix(parsing: "2001:db8::/48")
    let pool = Pool(
      name: PoolName(trusted: "p"),
      extent: Extent(
        cidr: cidr, gateway: cidr.hosts.first, ranges: [try AddressRange(parsing: "2001:db8::10-2001:db8::20")]),
      dns: [IPAddress("9.9.9.9")!], vlan: 7, mtu: 1_500, network: NetworkName(trusted: "lab"),
      topology: Topology(zone: "a", rack: "r-1"), strategy: .oldest, quarantineSeconds: 5, leaseSeconds: 6,
      enabled: false, nat: true, labels: try #require(Labels([("k", "v \"quoted\"")])), createdAt: 1_234_567,
      revision: 42)
    for capacity in [
      nil,
      Capacity(
        total: AddressCount(of: cidr.range), usable: AddressCount(1 << 70), allocated: AddressCount(1 << 69),
        quarantined: AddressCount(3))
    ] {
      var out = JSONWriter()
      out.pool(PoolView(pool, capacity))
      var reader = JSONReader(out.finish())
      #expect(try reader.poolView() == PoolView(pool, capacity))
    }
  }

  @Test func grantsComeBackAloneAndAsChildPrefixes() throws {
    for (block, interface) in [
      ("10.0.0.7/32", "eth9"), ("10.0.16.0/28", "eth9"), ("2001:db8::/64", "eth9"), ("::1/128", "eth0:1")
    ] {
      let allocation = Allocation(
        pool: PoolName(trusted: "p"), block: try Prefix(parsing: block), tenant: TenantName(trusted: "t"),
        owner: OwnerName(trusted: "o"), interface: InterfaceName(trusted: interface), index: 3,
        hostname: Hostname(trusted: "h"), mac: MACAddress("02:00:00:00:00:01"), node: NodeName(trusted: "n"),
        isStatic: true, manager: .kube, labels: try #require(Labels([("a", "")])), createdAt: 5, expiresAt: 6,
        generation: 7, revision: 8)
      let grant = Grant(allocation, gateway: nil, network: try Prefix(parsing: "10.0.0.0/8"))
      var out = JSONWriter()
      out.grants([grant, grant])
      var reader = JSONReader(out.finish())
      #expect(try reader.grants() == [grant, grant])
    }
  }

  @Test func problemsComeBackWithFieldsFactsAndConflicts() throws {
    var problem = Problem(409, "import_conflicts", "two", errors: [.init(field: "a.b", message: "no")])
    problem.facts = [.init(name: "n", value: "340282366920938463463374607431768211456", isNumber: true)]
    problem.facts.append(.init(name: "t", value: "x\ny", isNumber: false))
    problem.report = ImportReport(
      imported: 1, already: 2, conflicts: [.init(line: 3, ip: IPAddress(v4: 9), code: "c", detail: "d")],
      conflictCount: 4)
    #expect(try Problem(decoding: problem.encoded(title: "Conflict")) == problem)
  }

  @Test func importBodiesComeBack() throws {
    let row = ImportRow(
      line: 7, pool: PoolName(trusted: "p"), ip: IPAddress(v4: 9), holder: Holder(owner: OwnerName(trusted: "o")),
      mac: MACAddress(bits: 2 << 40), hostname: nil)
    let body = try ImportBody(decoding: ImportBody(rows: [row], skipConflicts: true, importID: "i").encoded)
    #expect(body.rows == [row] && body.skipConflicts && body.importID == "i")
  }

  @Test func cursorsComeBackAndForeignOnesDoNot() {
    let place = AllocationPlace(pool: PoolName(trusted: "p"), ip: IPAddress("::1"))
    #expect(Cursor(text: place.cursor.text).flatMap(AllocationPlace.init) == place)
    let start = AllocationPlace(pool: PoolName(trusted: "p"), ip: nil)
    #expect(Cursor(text: start.cursor.text).flatMap(AllocationPlace.init) == start)
    for bad in ["", "0", "zz", "AB", "ff", String(repeating: "61", count: 300)] { #expect(Cursor(text: bad) == nil) }
  }

  @Test(arguments: [
    (#"{"owner":"a","ip":"1.2.3"}"#, "ip"), (#"{"owner":"a","labels":{"k":7}}"#, "labels.k"),
    (#"{"owner":"a","mac":"01:00:00:00:00:01"}"#, "mac"), (#"{"owner":"a","families":["ipv4"]}"#, "families"),
    (#"{"tenant":"a"}"#, "owner"), (#"{"owner":"a","lease_seconds":-1}"#, "lease_seconds"),
    (#"{"owner":"a","contiguous":1}"#, "contiguous"), (#"{"owner":"a","interface":"a/b"}"#, "interface")
  ])
  func aWrongFieldIsNamedByItsPath(body: String, path: String) {
    let fault = #expect(throws: JSONFault.self) { try decodeAllocate(Array(body.utf8), .pool(.simple)) }
    #expect(fault?.path == path && fault?.isSyntax == false)
  }
}
