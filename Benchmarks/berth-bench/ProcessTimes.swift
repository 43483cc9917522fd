import Glibc

/// The CPU time another process has used, as the kernel counts it.
enum ProcessTimes {
  /// User and system time of `pid` in microseconds, in steps of one tick (10 ms).
  static func microseconds(of pid: Int) throws(Failure) -> Int {
    guard let file = fopen("/proc/\(pid)/stat", "r") else { throw .system("/proc/\(pid)/stat") }
    defer { fclose(file) }
    var buffer = [UInt8](repeating: 0, count: 1024)
    let count = fread(&buffer, 1, buffer.count, file)
    // The second field is the name in parentheses and may hold spaces; what follows it is fixed.
    let text = String(decoding: buffer[..<count], as: UTF8.self)
    let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
      throw Failure("/proc/\(pid)/stat is not as expected")
    }
    return (user + system) * 1_000_000 / sysconf(Int32(_SC_CLK_TCK))
  }
}
