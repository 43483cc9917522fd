import Glibc
import Platform
import TestSupport
import Testing

/// The tree this test was built from.
enum Repository {
  static let root = String(#filePath.dropLast("/Tests/SystemTests/Faults.swift".count))
}

/// What the shim does at the Nth step that the process takes on its disk; faultshim.c says exactly what each means.
enum FaultMode: String, CaseIterable, Sendable {
  case kill, torn, cut, eio, enospc

  /// Whether the process dies at once.
  var isDeath: Bool { self == .kill || self == .torn || self == .cut }
}

/// The library that stands between a process and its disk, built once per run of the tests.
enum FaultShim {
  private static let directory = TemporaryDirectory()

  /// Where the library is; nil without a C compiler.
  static let path: String? = {
    let library = directory.file("faultshim.so")
    let arguments = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library]
    for compiler in ["cc", "clang", "gcc"] {
      let ended = try? ChildProcess.run(compiler, arguments + ["\(Repository.root)/Tests/faults/faultshim.c"])
      if ended?.status == .exited(0) { return library }
      if let text = ended?.errors, text.contains("error") { print("\(compiler): \(text)") }
    }
    return nil
  }()

  /// The environment of a process whose `step`th step below `directory` ends badly, or each while `note`.on exists.
  static func environment(_ fault: String, at step: Int = 0, below directory: String, note: String) -> [String: String]
  {
    [
      "LD_PRELOAD": path ?? "", "BERTH_FAULT": "\(fault):\(step)", "BERTH_FAULT_DIR": directory,
      "BERTH_FAULT_NOTE": note, "SWIFT_BACKTRACE": "enable=no"
    ]
  }
}
