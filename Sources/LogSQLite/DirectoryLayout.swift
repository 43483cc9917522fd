import Log
import Platform

/// Which names a data directory has and what a look at them says.
struct DirectoryLayout: Sendable {
  static let lock = "LOCK"
  static let log = "log.db"
  static let snapshots = "snapshots"
  static let history = "history.db"
  /// Says that a node of a cluster began here and has no snapshot of its own yet.
  static let joining = "JOINING"
  /// Says that a migration fills the directory from a cluster and has not found both equal yet.
  static let migrating = "MIGRATING"
  /// What was moved aside is in directories that begin so.
  static let aside = "aside-"
  /// How the names begin of everything that belongs to one log.
  static let belongings = [log, snapshots, history]
  private static let newLog = "log.db.new"

  enum Finding {
    case empty
    case log
  }

  let path: String
  private let ofMigration: Bool

  /// `ofMigration` is the one who may open what a migration has not ended.
  init(_ path: String, ofMigration: Bool = false) { (self.path, self.ofMigration) = (path, ofMigration) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Looks before anything is touched: a log, or nothing that matters; everything else is a fault.
  func survey() throws(LogFault) -> Finding {
    switch try onFiles({ () throws(FileFault) in try FileSystem.kind(of: path) }) {
    case .absent: return .empty
    case .other: throw .notADirectory(path: path)
    case .directory: break
    }
    try refuseUnfinishedMigration()
    let names = try onFiles { () throws(FileFault) in try FileSystem.list(path) }
    if names.contains(DirectoryLayout.log) { return .log }
    var mine: [String] = []
    for name in names where try isRemainder(name) { mine.append(name) }
    guard mine.isEmpty else { throw .missingLog(path: path, besides: mine) }
    let harmless = [
      DirectoryLayout.lock, DirectoryLayout.snapshots, DirectoryLayout.joining, DirectoryLayout.migrating, "lost+found"
    ]
    let foreign = names.filter { name in
      !harmless.contains(name) && !name.hasPrefix(DirectoryLayout.newLog) && !name.hasPrefix(DirectoryLayout.aside)
    }
    guard foreign.isEmpty else { throw .foreignDirectory(path: path, names: foreign) }
    return .empty
  }

  /// A fault when a migration into the directory has not ended and it is not that one which asks.
  func refuseUnfinishedMigration() throws(LogFault) {
    guard !ofMigration else { return }
    let mark = file(DirectoryLayout.migrating)
    if try onFiles({ () throws(FileFault) in try FileSystem.kind(of: mark) }) == .other {
      throw .unfinishedMigration(path: path)
    }
  }

  /// True for what only a log leaves behind.
  private func isRemainder(_ name: String) throws(LogFault) -> Bool {
    if name == DirectoryLayout.snapshots {
      return try !onFiles { () throws(FileFault) in try FileSystem.list(file(name)) }.isEmpty
    }
    return name.hasPrefix("\(DirectoryLayout.log)-") || name.hasPrefix(DirectoryLayout.history)
  }

  /// Closes to others what is ours of the directory and the databases in it; returns what was open.
  ///
  /// The directory first: who may not enter it cannot exchange a file for a link meanwhile.
  func closeToOthers() throws(LogFault) -> [String] {
    let databases = [DirectoryLayout.log, DirectoryLayout.history].flatMap { name in
      ["", "-wal", "-shm"].map { name + $0 }
    }
    // "/." leads to the directory itself where its name is a link.
    let paths = [file(".")] + (databases + [DirectoryLayout.snapshots]).map(file)
    return try onFiles { () throws(FileFault) in
      var closed: [String] = []
      for path in paths where try FileSystem.closeToOthers(path) { closed.append(path) }
      return closed
    }
  }

  /// Makes log.db so that it is there whole or not at all.
  func createLog(_ head: LogHead) throws(LogFault) {
    let new = file(DirectoryLayout.newLog)
    try onFiles { () throws(FileFault) in
      for name in [new, new + "-journal"] { try FileSystem.remove(name) }
    }
    try LogTables.create(new, head: head)
    try onFiles { () throws(FileFault) in
      try FileSystem.rename(new, to: file(DirectoryLayout.log))
      try FileSystem.syncDirectory(path)
    }
  }

  /// Looks at the write-ahead file that the last process left and makes it ready for SQLite.
  ///
  /// An archive is not flushed batch by batch: after a loss of power its end may be missing, and the cluster has it.
  func prepareWriteAheadFile(crashed: Bool, mayBeGone: Bool, _ durability: Durability) throws(LogFault) {
    let ahead = WriteAheadFile(writeAheadPath)
    if crashed { try dropCaches(mayBeGone: mayBeGone || durability == .archive) }
    let isFlushed = !(crashed && durability == .archive)
    if isFlushed, let damage = try onFiles({ () throws(FileFault) in try ahead.damage(crashed: crashed) }) {
      throw .damagedFile(path: writeAheadPath, what: damage)
    }
    try onFiles { () throws(FileFault) in
      try ahead.preallocate()
      try FileSystem.syncDirectory(path)
    }
  }

  private var writeAheadPath: String { file(DirectoryLayout.log) + "-wal" }

  /// After a crash: what the system has cached may never have reached the disk, and the write-ahead file must be there
  /// unless the process died while it was closing.
  private func dropCaches(mayBeGone: Bool) throws(LogFault) {
    let ahead = writeAheadPath
    let isThere = try onFiles { () throws(FileFault) -> Bool in
      guard try FileSystem.kind(of: ahead) == .other else { return false }
      return try File(ahead, .read).size() > 0
    }
    guard isThere || mayBeGone else {
      throw .damagedFile(path: ahead, what: "it is gone, and the last process did not end in good order")
    }
    try onFiles { () throws(FileFault) in
      try File(file(DirectoryLayout.log), .readWrite).dropCache()
      if isThere { try File(ahead, .readWrite).dropCache() }
    }
  }
}

/// LOCK: held by the one process that serves the directory. Its content is `pid N`, and on a second line how far that
/// process was: `open` from the time the log is open, `closing` from the time it is being closed, nothing once that was
/// done. Anything there at a start means a crash.
final class DirectoryLock: Sendable {
  enum Mark: String {
    case open
    case closing
    case closed = ""
  }

  /// Room for any process number and any mark.
  private static let length = 32
  /// Of any process number.
  private static let digits = 10

  /// What the process before left.
  let found: Mark
  private let file: File

  /// True when the process before did not end in good order.
  var crashed: Bool { found != .closed }

  init(_ layout: DirectoryLayout) throws(LogFault) {
    let path = layout.file(DirectoryLayout.lock)
    let file = try onFiles { () throws(FileFault) in try File(path, .create) }
    self.file = file
    guard try onFiles({ () throws(FileFault) in try file.tryLock() }) else {
      throw .locked(path: layout.path, pid: DirectoryLock.content(file).pid)
    }
    found = DirectoryLock.content(file).mark
    // After a crash the mark stays: this process may die as well before it has opened the log.
    try mark(found, durably: crashed)
  }

  /// The process that holds the lock, 0 when it is not known; nil when nobody does.
  static func holder(_ layout: DirectoryLayout) throws(LogFault) -> Int? {
    try onFiles { () throws(FileFault) -> Int? in
      let path = layout.file(DirectoryLayout.lock)
      guard try FileSystem.kind(of: path) == .other else { return nil }
      let file = try File(path, .readWrite)
      return try file.isLockedElsewhere() ? content(file).pid ?? 0 : nil
    }
  }

  /// True when the last process did not end in good order.
  static func wasLeftOpen(_ layout: DirectoryLayout) throws(LogFault) -> Bool {
    try onFiles { () throws(FileFault) -> Bool in
      let path = layout.file(DirectoryLayout.lock)
      guard try FileSystem.kind(of: path) == .other else { return false }
      return content(try File(path, .read)).mark != .closed
    }
  }

  /// The log was closed. An unsound one never gets here: its mark stays, and its lock goes with the process.
  func end() {
    try? mark(.closed)
    try? file.unlock()
  }

  /// Says how far this process is; `durably` unless it is what an empty file says as well.
  func mark(_ mark: Mark, durably: Bool = true) throws(LogFault) {
    let text = DirectoryLock.text(pid: Int(ThisProcess.id), mark)
    try onFiles { () throws(FileFault) in
      try file.write(text, at: 0)
      if durably { try file.sync() }
    }
  }

  /// Always as long, and the mark always at the same place: it covers what was there before, and of a write that is torn
  /// the mark is the old one, the new one, or a mixture of the two.
  static func text(pid: Int, _ mark: Mark) -> [UInt8] {
    let number = String(pid)
    let padding = String(repeating: "0", count: max(0, digits - number.utf8.count))
    let text = "pid \(padding)\(number)\n" + (mark == .closed ? "" : "\(mark.rawValue)\n")
    return Array(text.utf8) + Array(repeating: UInt8(ascii: "\n"), count: max(0, length - text.utf8.count))
  }

  private static func content(_ file: File) -> (pid: Int?, mark: Mark) {
    content(of: (try? file.read(at: 0, count: length)) ?? [])
  }

  static func content(of text: [UInt8]) -> (pid: Int?, mark: Mark) {
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    let pid = lines.first.flatMap { $0.hasPrefix("pid ") ? Int($0.dropFirst(4)) : nil }
    return (pid, lines.dropFirst().first.map { mark(of: String($0)) } ?? .closed)
  }

  /// What is left of `closing` at its end was being written over, because the log was closed. Any other torn mark is no
  /// `closing`: the log was not being emptied yet.
  private static func mark(of text: String) -> Mark {
    Mark(rawValue: text) ?? (Mark.closing.rawValue.hasSuffix(text) ? .closing : .open)
  }
}
