package import Log
import Platform

private let suffix = ".snap"
private let unfinished = "unfinished.tmp"

/// Snapshots as files named after their newest batch; a file appears whole or not at all.
// Unchecked because the compiler cannot see that `lock` guards the rest.
package final class SnapshotDirectory: SnapshotStore, @unchecked Sendable {
  private let path: String
  private let lock = Lock()
  private var writing = false
  private var older: SnapshotHeader?

  /// Opens the directory; `writable` makes it and removes what a crash left unfinished.
  init(_ path: String, writable: Bool) throws(LogFault) {
    self.path = path
    if writable {
      try onFiles { () throws(FileFault) in
        try FileSystem.makeDirectory(path)
        try FileSystem.remove("\(path)/\(unfinished)")
      }
    }
    older = try olderKept()
  }

  /// The revision from which the older of the kept snapshots needs the log; nil while there are fewer than are kept.
  var replayFrom: UInt64? { lock.withLock { older.map { $0.oldestRevision + 1 } } }

  /// Starts a snapshot in a temporary file.
  package func begin() throws(LogFault) -> any SnapshotWriter {
    lock.withLock {
      precondition(!writing, "one snapshot at a time")
      writing = true
    }
    do { return try SnapshotFileWriter(self, path: "\(path)/\(unfinished)") } catch {
      lock.withLock { writing = false }
      throw LogFault(error)
    }
  }

  /// The newest sequences of the snapshots, newest first.
  package func list() throws(LogFault) -> [UInt64] {
    let names = try onFiles { () throws(FileFault) -> [String] in
      try FileSystem.kind(of: path) == .directory ? try FileSystem.list(path) : []
    }
    return names.compactMap(SnapshotDirectory.sequence).sorted(by: >)
  }

  /// Opens one and verifies all of it.
  package func open(_ newestSequence: UInt64) throws(LogFault) -> any SnapshotReader {
    let name = SnapshotDirectory.name(newestSequence)
    let file = try onFiles { () throws(FileFault) in try File("\(path)/\(name)", .read) }
    let decoder = try SnapshotDecoder(name: "\(path)/\(name)", size: try file.length(), source: file.source)
    guard decoder.header.newestSequence == newestSequence else {
      throw .damagedSnapshot(name: "\(path)/\(name)", what: "it is one of batch \(decoder.header.newestSequence)")
    }
    return decoder
  }

  /// Removes snapshots that cannot be read and returns their sequences; for when a newer one was made in their place.
  package func dropDamaged() throws(LogFault) -> [UInt64] {
    var dropped: [UInt64] = []
    for sequence in try list() {
      do throws(LogFault) {
        let reader = try open(sequence)
        while try reader.next() != nil {}
      } catch {
        guard case .damagedSnapshot = error else { throw error }
        try onFiles { () throws(FileFault) in try FileSystem.remove("\(path)/\(SnapshotDirectory.name(sequence))") }
        dropped.append(sequence)
      }
    }
    return dropped
  }

  fileprivate func finished(_ sequence: UInt64) throws(LogFault) {
    try onFiles { () throws(FileFault) in
      try FileSystem.rename("\(path)/\(unfinished)", to: "\(path)/\(SnapshotDirectory.name(sequence))")
      try FileSystem.syncDirectory(path)
    }
    for old in try list().dropFirst(SnapshotLimits.kept) {
      try onFiles { () throws(FileFault) in try FileSystem.remove("\(path)/\(SnapshotDirectory.name(old))") }
    }
    let kept = try olderKept()
    lock.withLock { older = kept }
  }

  fileprivate func ended() { lock.withLock { writing = false } }

  private func olderKept() throws(LogFault) -> SnapshotHeader? {
    guard let sequence = try list().dropFirst(SnapshotLimits.kept - 1).first else { return nil }
    let file = try onFiles { () throws(FileFault) in try File("\(path)/\(SnapshotDirectory.name(sequence))", .read) }
    return try SnapshotDecoder.claim(size: try file.length(), source: file.source)
  }

  private static func name(_ sequence: UInt64) -> String {
    let digits = String(sequence)
    return String(repeating: "0", count: 20 - digits.count) + digits + suffix
  }

  private static func sequence(_ name: String) -> UInt64? {
    guard name.hasSuffix(suffix), let sequence = UInt64(name.dropLast(suffix.count)) else { return nil }
    return self.name(sequence) == name ? sequence : nil
  }
}

private final class SnapshotFileWriter: SnapshotWriter {
  private let directory: SnapshotDirectory
  private let file: File
  private var encoder = SnapshotEncoder()
  private var offset = 0
  private var ended = false

  init(_ directory: SnapshotDirectory, path: String) throws(FileFault) {
    self.directory = directory
    file = try File(path, .replace)
    try write(encoder.prologue)
  }

  deinit { abandon() }

  private func write(_ bytes: [UInt8]) throws(FileFault) {
    try file.write(bytes, at: offset)
    offset += bytes.count
  }

  func add(chunk: [UInt8], revision: UInt64) throws(LogFault) {
    precondition(!ended, "the snapshot has ended")
    do { try write(encoder.add(chunk: chunk, revision: revision)) } catch { throw LogFault(error) }
  }

  func finish(logID: SHA256Digest, sequence: UInt64, revision: UInt64) throws(LogFault) {
    precondition(!ended, "the snapshot has ended")
    try onFiles { () throws(FileFault) in
      try write(encoder.finish(logID: logID, sequence: sequence, revision: revision))
      try file.sync()
    }
    try directory.finished(sequence)
    ended = true
    directory.ended()
  }

  func abandon() {
    guard !ended else { return }
    ended = true
    try? FileSystem.remove(file.path)
    directory.ended()
  }
}

extension File {
  fileprivate func length() throws(LogFault) -> Int { try onFiles { () throws(FileFault) in try size() } }

  fileprivate func source(_ offset: Int, _ count: Int) throws(LogFault) -> [UInt8] {
    try onFiles { () throws(FileFault) in try read(at: offset, count: count) }
  }
}
