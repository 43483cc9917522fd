import Log
import Platform

/// SQLite's write-ahead file beside log.db: written once before first use, and looked at after a crash.
///
/// SQLite reads it up to the first frame whose checksum fails and takes that for its end. That is right for a write
/// that a crash cut short, and there is at most one such, because every append is flushed before the next. When two or
/// more commits of the same run of the file lie behind that point, acknowledged batches were damaged: that is said.
struct WriteAheadFile {
  /// Room for a checkpoint's worth of pages and the largest batch, so that commits overwrite instead of extend.
  static let preallocatedBytes = 6 << 20

  private let path: String

  init(_ path: String) { self.path = path }

  /// Fills a file that is new or empty with zeros, which SQLite takes for an empty one.
  func preallocate() throws(FileFault) {
    let file = try File(path, .create)
    guard try file.size() == 0 else { return }
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    for offset in stride(from: 0, to: WriteAheadFile.preallocatedBytes, by: zeros.count) {
      try file.write(zeros, at: offset)
    }
    try file.sync()
  }

  /// What is wrong with the file if commits lie behind the last page that SQLite accepts.
  func damage(afterPage accepted: Int) throws(LogFault) -> String? {
    do throws(FileFault) {
      let file = try File(path, .read)
      let size = try file.size()
      let header = try file.read(at: 0, count: 32)
      guard header.count == 32 else { return nil }
      let pageBytes = 4096
      let frameBytes = 24 + pageBytes
      let salts =
        isSound(header) ? Array(header[16..<24]) : Array(try file.read(at: 32, count: 24).dropFirst(8).prefix(8))
      guard salts.contains(where: { $0 != 0 }) else { return nil }
      var commits = 0
      for offset in stride(from: 32 + accepted * frameBytes, to: size - frameBytes + 1, by: frameBytes) {
        let frame = try file.read(at: offset, count: 24)
        if Array(frame[8..<16]) == salts && frame[4..<8].contains(where: { $0 != 0 }) { commits += 1 }
      }
      return commits < 2 ? nil : "\(commits) commits follow page \(accepted), whose successor does not verify"
    } catch {
      throw LogFault(error)
    }
  }

  /// True when the header's own checksum matches: two running sums over its first six words.
  private func isSound(_ header: [UInt8]) -> Bool {
    func word(_ index: Int, bigEndian: Bool = true) -> UInt32 {
      let bytes = header[index * 4..<index * 4 + 4]
      return (bigEndian ? Array(bytes) : bytes.reversed()).reduce(0) { $0 << 8 | UInt32($1) }
    }
    guard word(0) & ~1 == 0x377f_0682 else { return false }
    var sums: (UInt32, UInt32) = (0, 0)
    for index in stride(from: 0, to: 6, by: 2) {
      sums.0 &+= word(index, bigEndian: word(0) & 1 == 1) &+ sums.1
      sums.1 &+= word(index + 1, bigEndian: word(0) & 1 == 1) &+ sums.0
    }
    return sums.0 == word(6) && sums.1 == word(7)
  }
}

extension LogFault {
  /// What the system refused.
  init(_ fault: FileFault) { self = .io(operation: "\(fault.operation) \(fault.path)", detail: fault.reason) }
}

/// Runs `body` and turns what the system refused into a fault of the log.
func onFiles<T>(_ body: () throws(FileFault) -> T) throws(LogFault) -> T {
  do { return try body() } catch { throw LogFault(error) }
}
