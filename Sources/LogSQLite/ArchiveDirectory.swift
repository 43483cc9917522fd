package import Log
internal import Platform

/// The data directory of a node in a cluster: the same files as a log of its own, but the cluster's log is the truth.
///
/// So it is written without a flush for each batch, may begin anywhere, and what is in it may be moved aside and fetched
/// again. Nothing is ever deleted here: what was is kept in `aside-N`.
// Unchecked because `lock` guards `open`.
package final class ArchiveDirectory: Archive, @unchecked Sendable {
  private let layout: DirectoryLayout
  private let retention: Retention
  private let ofMigration: Bool
  private let lock = Lock()
  private var open: DataDirectory?

  /// Opens what is there; an archive whose node never came to a state of its own is moved aside.
  package convenience init(_ path: String, retention: Retention = .standard) throws(LogFault) {
    try self.init(path, retention, ofMigration: false)
  }

  private init(_ path: String, _ retention: Retention, ofMigration: Bool) throws(LogFault) {
    layout = DirectoryLayout(path, ofMigration: ofMigration)
    self.retention = retention
    self.ofMigration = ofMigration
    try layout.refuseUnfinishedMigration()
    if try onFiles({ () throws(FileFault) in try FileSystem.kind(of: marker) }) == .other {
      try ArchiveDirectory.moveAside(path)
      try onFiles { () throws(FileFault) in try FileSystem.remove(marker) }
    }
    guard try layout.survey() == .log else { return }
    open = try DataDirectory.open(
      path, .readWrite(create: false), retention: retention, durability: .archive, ofMigration: ofMigration)
  }

  /// Takes an empty directory, or what an interrupted migration has left, for a migration out of a cluster. A mark says
  /// so until `endMigration`: whoever serves a log without its end would give addresses out twice.
  package static func migrating(into path: String) throws(LogFault) -> ArchiveDirectory {
    let layout = DirectoryLayout(path, ofMigration: true)
    let mark = layout.file(DirectoryLayout.migrating)
    if try onFiles({ () throws(FileFault) in try FileSystem.kind(of: mark) }) == .other { try moveAside(path) }
    let archive = try ArchiveDirectory(path, .standard, ofMigration: true)
    if let directory = archive.directory {
      directory.log.close()
      throw .foreignDirectory(path: path, names: [DirectoryLayout.log])
    }
    try onFiles { () throws(FileFault) in
      try FileSystem.makeDirectory(path)
      try File(mark, .create).sync()
      try FileSystem.syncDirectory(path)
    }
    return archive
  }

  /// What is there was found equal to the cluster's: from now on it is a log like any other.
  package func endMigration() throws(LogFault) {
    try onFiles { () throws(FileFault) in
      try FileSystem.remove(layout.file(DirectoryLayout.migrating))
      try FileSystem.syncDirectory(layout.path)
    }
  }

  private var marker: String { layout.file(DirectoryLayout.joining) }

  /// The data directory once there is a log.
  package var directory: DataDirectory? { lock.withLock { open } }

  /// The log of what was archived; nil before the first `begin`.
  package var log: (any BatchLog)? { directory?.log }

  /// The node's own snapshots; only once there is a log.
  package var snapshots: (any SnapshotStore)? { directory?.snapshots }

  /// Starts over after `head`; what was there is moved aside.
  package func begin(after head: LogHead) throws(LogFault) {
    try lock.withLock { () throws(LogFault) in
      if let open {
        open.log.close()
        self.open = nil
        try ArchiveDirectory.moveAside(layout.path)
      }
      if head.sequence > 0 {
        try onFiles { () throws(FileFault) in
          try FileSystem.makeDirectory(layout.path)
          try File(marker, .create).sync()
          try FileSystem.syncDirectory(layout.path)
        }
      }
      open = try DataDirectory.open(
        layout.path, .fresh(head), retention: retention, durability: .archive, ofMigration: ofMigration)
    }
  }

  /// A snapshot of this node's own is there.
  package func settle() throws(LogFault) {
    try onFiles { () throws(FileFault) in try FileSystem.remove(marker) }
  }

  /// Makes all that was appended survive the loss of power.
  package func flush() throws(LogFault) { try directory?.flush() }

  /// As `moveAside`, for a node that is to begin anew: once nothing is left there, an interrupted migration has left
  /// nothing either.
  package static func clear(_ path: String) throws(LogFault) -> String? {
    let place = try moveAside(path)
    try onFiles { () throws(FileFault) in
      // Also where the migration, or an earlier call of this, ended before there was anything to move.
      guard try FileSystem.kind(of: path) == .directory else { return }
      try FileSystem.remove(DirectoryLayout(path).file(DirectoryLayout.migrating))
    }
    return place
  }

  /// Moves all of a directory's files into `aside-N` inside it, N = 1, 2, ...; returns where they are, nil when there
  /// was nothing. The directory must not be served.
  @discardableResult
  static func moveAside(_ path: String) throws(LogFault) -> String? {
    let layout = DirectoryLayout(path)
    let held = try DirectoryLock.holder(layout)
    guard held == nil else { throw .locked(path: path, pid: held) }
    return try onFiles { () throws(FileFault) in
      guard try FileSystem.kind(of: path) == .directory else { return nil }
      let names = try FileSystem.list(path)
      let mine = names.filter { name in DirectoryLayout.belongings.contains { name.hasPrefix($0) } }
      guard !mine.isEmpty else { return nil }
      let number = (1...).first { !names.contains("\(DirectoryLayout.aside)\($0)") } ?? 0
      let target = layout.file("\(DirectoryLayout.aside)\(number)")
      try FileSystem.makeDirectory(target)
      for name in mine { try FileSystem.rename(layout.file(name), to: "\(target)/\(name)") }
      try FileSystem.syncDirectory(target)
      try FileSystem.syncDirectory(path)
      return target
    }
  }
}
