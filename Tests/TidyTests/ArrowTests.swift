import Testing

/// Which target may import which, read from the manifest.
func arrows(inManifest text: String) -> [String: Set<String>] {
  var arrows: [String: Set<String>] = [:]
  for start in ["room(", "tests(", ".executableTarget("] {
    for piece in text.split(separator: start, omittingEmptySubsequences: false).dropFirst() {
      let quoted = piece.split(separator: "\"", maxSplits: 2, omittingEmptySubsequences: false)
      // A definition of the function, not a call.
      guard quoted.count == 3, quoted[0].allSatisfy({ $0.isWhitespace || "name:".contains($0) }) else { continue }
      let behind = quoted[2].drop { $0 != "[" && $0 != ")" }
      let list = behind.first == "[" ? behind.dropFirst().prefix { $0 != "]" } : ""
      let names = list.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter {
        $0.offset % 2 == 1
      }
      arrows[String(quoted[1]), default: []].formUnion(names.map { String($0.element) })
    }
  }
  return arrows
}

/// Imports that the manifest does not know, Foundation in what ships, `@testable` of another room, re-exports.
func importComplaints(_ file: TextFile, _ arrows: [String: Set<String>]) -> [String] {
  guard file.isSwift, let allowed = arrows[file.room] else { return [] }
  return file.code.indices.flatMap { index -> [String] in
    let words = file.code[index].split(separator: " ").map(String.init)
    guard let place = words.firstIndex(of: "import"), place + 1 < words.count, words.count <= 5,
      words[..<place].allSatisfy({ $0.hasPrefix("@") || ["package", "internal", "public", "private"].contains($0) })
    else { return [] }
    // `import struct Glibc.stat` names a kind first.
    let isKind = ["struct", "class", "enum", "func", "var", "let", "protocol"].contains(words[place + 1])
    guard let named = words.dropFirst(place + (isKind ? 2 : 1)).first else { return [] }
    let module = String(named.prefix { $0 != "." })
    var complaints: [String] = []
    if !allowed.union(toolchainModules(for: file)).contains(module) {
      complaints.append(file.complaint(index, "\(file.room) must not import \(module)"))
    }
    // LogTests are the tests of Log, LogSQLite and LogMemory; HTTPTests those of the server and the client.
    let isOwn = file.room.hasSuffix("Tests") && module.hasPrefix(file.room.dropLast("Tests".count))
    if words.contains("@testable"), !(file.path.hasPrefix("Tests/") && isOwn) {
      complaints.append(file.complaint(index, "@testable is for the tests of \(module) alone"))
    }
    if words.contains("@_exported") { complaints.append(file.complaint(index, "re-exports \(module)")) }
    return complaints
  }
}

/// Where a room of a host makes an address from a number instead of carrying one that it was given; what could choose
/// one, no such room may import.
func addressComplaints(_ file: TextFile) -> [String] {
  guard file.isSource, file.room.hasPrefix("VMM") || file.room.hasPrefix("Agent") else { return [] }
  let makers = [
    "IPAddress(v4:", "IPAddress(v6:", "IPAddress(family:", "MACAddress(bits:", "AddressRange(", ".advanced("
  ]
  return file.code.indices.compactMap { index in
    makers.first { file.code[index].contains($0) }.map {
      file.complaint(index, "\($0) makes an address: Berth alone gives them")
    }
  }
}

@Suite struct ArrowTests {
  private let manifest = arrows(inManifest: Repository.file("Package.swift")?.lines.joined(separator: "\n") ?? "")

  @Test func theManifestIsUnderstood() {
    #expect(manifest["Ledger"] == ["Placement", "Domain", "Addressing"])
    #expect(manifest["Addressing"] == [] && manifest["AddressingTests"] == ["Addressing", "TestSupport"])
    #expect(manifest["berth"]?.contains("LogSQLite") == true && manifest["berth-bench"]?.contains("Ledger") == true)
    let folders = Set(Repository.files.filter { $0.isSwift && !$0.room.isEmpty }.map(\.room))
    #expect(folders.subtracting(manifest.keys) == [], "folders without a target in the manifest")
    #expect(Set(manifest.keys).subtracting(folders) == [], "targets of which no rule sees a file")
  }

  @Test func everyImportIsAnArrow() { expectNone(Repository.files.flatMap { importComplaints($0, manifest) }) }

  /// Domain and below: no target may reach the rooms above it, however the manifest grows.
  @Test func arrowsOnlyGoDown() {
    var settled: Set<String> = []
    var left = manifest
    while let next = left.first(where: { $0.value.allSatisfy { settled.contains($0) || manifest[$0] == nil } }) {
      settled.insert(next.key)
      left[next.key] = nil
    }
    #expect(left.isEmpty, "rooms in a circle: \(left.keys.sorted())")
  }

  /// One place gives addresses: what runs VMs can neither reach it nor do its work.
  @Test func s0_39_noRoomOfAHostGivesAnAddress() {
    expectNone(Repository.files.flatMap(addressComplaints))
    for (room, known) in manifest where room.hasPrefix("VMM") || room.hasPrefix("Agent") {
      #expect(known.isDisjoint(with: ["Ledger", "Engine", "Placement"]), "\(room) reaches what gives addresses")
    }
    let made = "let ip = IPAddress(v4: 0x0A00_0001 + UInt32(machines.count))"
    #expect(addressComplaints(TextFile("Sources/VMMQEMU/X.swift", made)).count == 1)
    #expect(addressComplaints(TextFile("Sources/Ledger/X.swift", made)).isEmpty)
  }

  @Test(arguments: [
    ("Sources/Ledger/X.swift", "import Platform"), ("Sources/Ledger/X.swift", "internal import Foundation"),
    ("Sources/Wire/X.swift", "package import FoundationEssentials"), ("Sources/Wire/X.swift", "import Glibc"),
    ("Sources/Engine/X.swift", "import LogSQLite"), ("Sources/Wire/X.swift", "import struct Foundation.Data"),
    ("Tests/EngineTests/X.swift", "@testable import Ledger"), ("Sources/Domain/X.swift", "@_exported import Addressing")
  ])
  func aForbiddenImportIsSeen(path: String, line: String) {
    #expect(importComplaints(TextFile(path, "// import Nothing\n\(line)\n"), manifest).count == 1)
  }

  @Test(arguments: [
    ("Sources/Ledger/X.swift", "package import Domain"), ("Sources/TestSupport/X.swift", "internal import Glibc"),
    ("Tests/EngineTests/X.swift", "@testable import Engine"), ("Tests/LogTests/X.swift", "@testable import LogSQLite"),
    ("Tests/WireTests/X.swift", "import Testing")
  ])
  func aLegalImportIsLeftAlone(path: String, line: String) {
    expectNone(importComplaints(TextFile(path, line), manifest))
  }
}
