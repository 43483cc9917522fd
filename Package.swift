// swift-tools-version: 6.2
// The manifest is the map of the house: a room = a target, an arrow = a dependency.
// Arrows only go down; `make check` builds with the explicit import check, so an
// undeclared arrow does not compile.
import PackageDescription

let staticLibraries = Context.environment["BERTH_STATIC"] == "1"

func linked(_ library: String) -> LinkerSetting {
  .linkedLibrary(staticLibraries ? ":lib\(library).a" : library)
}

/// Strict settings for everything that ships; tests keep all but the memory-safety marks.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  // Nothing here is asynchronous or searches with regular expressions: without these two modules nothing of them is
  // linked, which halves the runtime's share of the binary.
  .unsafeFlags([
    "-Xfrontend", "-disable-implicit-concurrency-module-import", "-Xfrontend",
    "-disable-implicit-string-processing-module-import"
  ])
]

func room(_ name: String, _ arrows: [String] = [], path: String? = nil) -> Target {
  .target(
    name: name, dependencies: arrows.map { .byName(name: $0) }, path: path,
    swiftSettings: strict + [.strictMemorySafety()])
}

func cRoom(_ name: String, links: [String] = []) -> Target {
  .target(name: name, path: "Sources/C/\(name)", linkerSettings: links.map(linked))
}

func tests(_ name: String, _ arrows: [String]) -> Target {
  .testTarget(
    name: name, dependencies: arrows.map { .byName(name: $0) },
    swiftSettings: [.treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny")])
}

let package = Package(
  name: "berth",
  products: [.executable(name: "berth", targets: ["berth"])],
  targets: [
    // C libraries: a header and an empty .c each.
    cRoom("CLinux"),
    cRoom("COpenSSL", links: ["ssl", "crypto"]),
    cRoom("CZstd", links: ["zstd"]),
    cRoom("CSQLite", links: ["sqlite3"]),

    // Values and pure functions.
    room("Addressing"),
    room("Domain", ["Addressing"]),
    room("Placement", ["Domain", "Addressing"]),
    room("Ledger", ["Placement", "Domain", "Addressing"]),
    room("Wire"),
    room("Config"),
    room("APITypes", ["Domain", "Addressing", "Wire"]),

    // The edge to the machine.
    room("Platform", ["CLinux", "COpenSSL", "CZstd"]),
    room("Telemetry", ["Platform"]),
    room("Log", ["Platform"]),
    room("LogSQLite", ["Log", "Platform", "CSQLite"]),
    room("LogMemory", ["Log", "Platform"]),
    room("HTTPServer", ["Wire", "Platform"]),
    room("HTTPClient", ["Wire", "Platform"]),
    room("LogEtcd", ["Log", "Wire", "HTTPClient", "Platform"]),

    // The house.
    room("Engine", ["Ledger", "Log", "Domain", "Addressing", "Platform", "Telemetry"]),
    room("Advisers", ["APITypes", "Engine", "Ledger", "HTTPClient", "Wire", "Domain", "Platform", "Telemetry"]),
    room(
      "API",
      [
        "Advisers", "Cluster", "Log", "APITypes", "Engine", "Ledger", "HTTPServer", "Wire", "Domain", "Addressing",
        "Platform",
        "Telemetry"
      ]),
    room("Cluster", ["Engine", "Domain", "Client", "HTTPClient", "Log", "Wire", "Platform", "Telemetry"]),
    room("Client", ["APITypes", "HTTPClient", "Wire", "Platform"]),
    room("CLI", ["Client", "APITypes", "Wire", "Config", "Platform"]),
    room("VMM", ["Domain", "Addressing"]),
    room("VMMSimulated", ["VMM", "Domain"]),
    room("Agent", ["VMM", "Domain"]),
    room(
      "AgentHost", ["Agent", "VMM", "Client", "APITypes", "Wire", "Domain", "Addressing", "Platform"]),
    room("Offline", ["Engine", "Log", "Ledger", "Domain", "Addressing", "Platform"]),
    .executableTarget(
      name: "berth",
      dependencies: [
        "Wire", "CLI", "Client", "APITypes", "AgentHost", "VMMSimulated", "VMM", "API", "Advisers", "Cluster", "Engine",
        "Ledger",
        "HTTPServer", "HTTPClient", "LogSQLite",
        "LogEtcd", "Log",
        "Offline", "Config", "Telemetry", "Platform", "Domain", "Addressing"
      ].map { .byName(name: $0) },
      swiftSettings: strict + [.strictMemorySafety()],
      // One copy of functions that are the same byte for byte, and the relocations of a program that may lie anywhere
      // as bits instead of 24 bytes each (which glibc reads from 2.36 on). What a server runs lies together
      // (`Benchmarks/functions.sh`).
      linkerSettings: [
        .unsafeFlags(
          [
            "-use-ld=lld", "-Xlinker", "--icf=safe", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker",
            "--no-export-dynamic", "-Xlinker", "--gc-sections", "-Xlinker",
            "--symbol-ordering-file=\(Context.packageDirectory)/Benchmarks/functions.txt", "-Xlinker",
            "--no-warn-symbol-ordering"
          ],
          .when(configuration: .release))
      ]),

    // Tools and proof.
    room("Histories", ["Wire"]),
    .executableTarget(
      name: "berth-histories", dependencies: ["Histories", "Platform"].map { .byName(name: $0) },
      path: "Benchmarks/berth-histories", swiftSettings: strict),
    room("TestSupport", ["Platform", "Log", "HTTPClient", "Wire"]),
    .executableTarget(
      name: "berth-bench",
      dependencies: ["CLinux", "Ledger", "Placement", "Domain", "Addressing", "Platform", "Wire"].map {
        .byName(name: $0)
      },
      path: "Benchmarks/berth-bench", swiftSettings: strict),
    room(
      "Simulation",
      [
        "Histories", "LogEtcd", "Log", "API", "APITypes", "AgentHost", "Agent", "VMMSimulated", "VMM", "Offline",
        "Engine", "Ledger", "Domain", "Addressing", "Telemetry", "Platform", "TestSupport"
      ]),
    .executableTarget(
      name: "berth-sim",
      dependencies: ["Simulation", "Platform", "TestSupport"].map { .byName(name: $0) },
      path: "Benchmarks/berth-sim", swiftSettings: strict),
    tests("AddressingTests", ["Addressing", "TestSupport"]),
    tests("DomainTests", ["Domain", "Addressing", "TestSupport"]),
    tests("LedgerTests", ["Ledger", "Domain", "Addressing", "TestSupport"]),
    tests("PlacementTests", ["Placement", "Domain", "Addressing", "TestSupport"]),
    tests("WireTests", ["Wire", "TestSupport"]),
    tests("PlatformTests", ["Platform", "TestSupport"]),
    tests("TelemetryTests", ["Telemetry", "TestSupport"]),
    tests("ConfigTests", ["Config", "TestSupport"]),
    tests("LogTests", ["Log", "LogSQLite", "LogMemory", "Platform", "TestSupport"]),
    tests(
      "LogEtcdTests",
      [
        "Agent", "Engine", "LogEtcd", "Simulation", "Log", "HTTPClient", "HTTPServer", "Wire", "Platform", "TestSupport"
      ]),
    tests("HTTPTests", ["HTTPServer", "HTTPClient", "Wire", "Platform", "TestSupport"]),
    tests(
      "EngineTests",
      [
        "Engine", "Ledger", "Log", "LogMemory", "LogSQLite", "Domain", "Addressing", "Platform", "Telemetry",
        "TestSupport"
      ]),
    tests(
      "APITests",
      [
        "API", "Advisers", "APITypes", "Cluster", "Engine", "Ledger", "LogMemory", "Log", "HTTPServer", "HTTPClient",
        "Wire", "Domain", "Addressing", "Platform", "TestSupport", "Telemetry", "AgentHost", "Client", "VMM"
      ]),
    tests(
      "ClusterTests",
      ["Cluster", "Domain", "Engine", "LogMemory", "Log", "HTTPClient", "Wire", "Platform", "TestSupport", "Telemetry"]),
    tests("CLITests", ["CLI", "Client", "APITypes", "Wire", "Platform", "TestSupport"]),
    tests("VMMTests", ["VMM", "VMMSimulated", "Domain", "Addressing", "TestSupport"]),
    tests("AgentTests", ["Agent", "VMM", "Domain"]),
    tests(
      "AgentHostTests",
      [
        "AgentHost", "Agent", "VMM", "VMMSimulated", "APITypes", "Client", "HTTPServer", "Wire", "Domain", "Addressing",
        "Platform",
        "TestSupport"
      ]),
    tests(
      "OfflineTests",
      [
        "Offline", "Engine", "Log", "LogMemory", "LogSQLite", "Ledger", "Domain", "Addressing", "Platform",
        "TestSupport"
      ]),
    tests("SystemTests", ["Client", "HTTPClient", "Wire", "Platform", "TestSupport"]),
    tests("HistoriesTests", ["Histories", "TestSupport"]),
    tests("TidyTests", ["TestSupport"])
  ],
  swiftLanguageModes: [.v6]
)
