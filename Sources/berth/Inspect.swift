import CLI

/// `berth check` and `berth log dump` on the directory named.
enum Inspect {
  static func check(_ options: CheckOptions, _ io: CommandIO) -> Int32 { 0 }
  static func dump(_ options: LogDumpOptions, _ io: CommandIO) -> Int32 { 0 }
}
