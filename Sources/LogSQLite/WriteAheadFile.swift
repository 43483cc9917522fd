import Log
import Platform

/// SQLite's write-ahead file beside log.db: laid out before first use, and looked at before SQLite opens it.
///
/// SQLite reads it up to the first frame whose checksum fails and takes that for its end. That is right for a write
/// that a crash cut short, and there is at most one such, because every append is flushed before the next. When more
/// commits of the same run of the file lie behind that point, acknowledged batches were damaged: that is said.
struct WriteAheadFile {
  /// Room for a checkpoint's worth of pages and the largest batch, so that commits overwrite instead of extend.
  static let preallocatedBytes = 5 << 20
  private static let pageBytes = 4096
  private static let frameBytes = 24 + pageBytes

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

  /// What is wrong with the file if commits lie behind the last one that SQLite will accept; after a crash the last
  /// write may have been cut short.
  func damage(crashed: Bool) throws(FileFault) -> String? {
    guard try FileSystem.kind(of: path) == .other else { return nil }
    let file = try File(path, .read)
    let frames = (try file.size() - 32) / WriteAheadFile.frameBytes
    guard frames > 0 else { return nil }
    let header = try file.read(at: 0, count: 32)
    let accepted = try acceptedFrames(file, header, frames)
    let first = try file.read(at: 32, count: 24)
    let salts = accepted == nil ? first[8..<16] : header[16..<24]
    guard salts.contains(where: { $0 != 0 }) else { return nil }
    var commits = 0
    for index in (accepted ?? 0)..<frames {
      let frame = try file.read(at: 32 + index * WriteAheadFile.frameBytes, count: 24)
      if frame[8..<16].elementsEqual(salts) && WriteAheadSum.isCommit(frame) { commits += 1 }
    }
    guard commits > (crashed ? 1 : 0) else { return nil }
    return "\(commits) commits follow page \(accepted ?? 0), whose successor does not verify"
  }

  /// How many frames SQLite will take, up to the last sound commit; nil when the header itself is not sound.
  private func acceptedFrames(_ file: File, _ header: [UInt8], _ frames: Int) throws(FileFault) -> Int? {
    guard var sum = WriteAheadSum(header: header) else { return nil }
    var accepted = 0
    for index in 0..<frames {
      let offset = 32 + index * WriteAheadFile.frameBytes
      let frame = try file.read(at: offset, count: WriteAheadFile.frameBytes)
      guard frame.count == WriteAheadFile.frameBytes, frame[8..<16].elementsEqual(header[16..<24]),
        sum.accepts(frame)
      else { break }
      if WriteAheadSum.isCommit(frame) { accepted = index + 1 }
    }
    return accepted
  }
}

/// The checksum that runs through a write-ahead file: two sums over all words so far.
private struct WriteAheadSum {
  private var sums: (UInt32, UInt32) = (0, 0)
  private let bigEndian: Bool

  /// Begins with the file's header; nil when it is not sound.
  init?(header: [UInt8]) {
    let magic = WriteAheadSum.word(header, 0, bigEndian: true)
    guard magic & ~1 == 0x377f_0682 else { return nil }
    bigEndian = magic & 1 == 1
    add(header[0..<24])
    guard matches(header, at: 24) else { return nil }
  }

  /// Goes on with a frame; false when its checksum is another.
  mutating func accepts(_ frame: [UInt8]) -> Bool {
    add(frame[0..<8])
    add(frame[24...])
    return matches(frame, at: 16)
  }

  /// The last frame of a commit names the size of the database.
  static func isCommit(_ frame: [UInt8]) -> Bool { word(frame, 4, bigEndian: true) != 0 }

  private mutating func add(_ bytes: ArraySlice<UInt8>) {
    for offset in stride(from: bytes.startIndex, to: bytes.endIndex, by: 8) {
      sums.0 &+= WriteAheadSum.word(bytes, offset, bigEndian: bigEndian) &+ sums.1
      sums.1 &+= WriteAheadSum.word(bytes, offset + 4, bigEndian: bigEndian) &+ sums.0
    }
  }

  private func matches(_ bytes: [UInt8], at offset: Int) -> Bool {
    sums.0 == WriteAheadSum.word(bytes, offset, bigEndian: true)
      && sums.1 == WriteAheadSum.word(bytes, offset + 4, bigEndian: true)
  }

  private static func word(_ bytes: [UInt8], _ offset: Int, bigEndian: Bool) -> UInt32 {
    word(bytes[...], offset, bigEndian: bigEndian)
  }

  private static func word(_ bytes: ArraySlice<UInt8>, _ offset: Int, bigEndian: Bool) -> UInt32 {
    let value =
      UInt32(bytes[offset]) | UInt32(bytes[offset + 1]) << 8 | UInt32(bytes[offset + 2]) << 16
      | UInt32(bytes[offset + 3]) << 24
    return bigEndian ? value.byteSwapped : value
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
