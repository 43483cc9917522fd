/// Files that may be longer than `linesMax`, each with the reason.
let longFiles: [String: String] = [:]

/// Functions that may be longer than `functionLinesMax`, as `path: first line`, each with the reason.
let longFunctions: [String: String] = [:]

/// Rooms where a wrapper around a C object may be `@unchecked Sendable` without a word: it is what the room is for.
let uncheckedRooms: Set<String> = ["Platform"]

/// Modules of the toolchain that a place may import beside its arrows in Package.swift.
func toolchainModules(for file: TextFile) -> Set<String> {
  if file.path.hasPrefix("Tests/") { return ["Testing", "Synchronization", "Glibc", "Foundation"] }
  if file.path.hasPrefix("Benchmarks/") { return ["Synchronization", "Glibc"] }
  // Test support also tests Platform and spawns programs, so it calls the C library itself.
  return file.room == "TestSupport" ? ["Synchronization", "Glibc"] : ["Synchronization"]
}
