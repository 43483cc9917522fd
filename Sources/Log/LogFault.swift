/// What can be wrong with a log and the files around it; `description` says what and the way out.
package enum LogFault: Error, Hashable, Sendable {
  /// The batch cannot be read or does not continue the one before.
  case damaged(sequence: UInt64, what: String)
  /// Batches that must be there are not.
  case missing(from: UInt64, through: UInt64)
  /// The batch asked for is older than the oldest one kept.
  case trimmed(oldest: UInt64)
  /// A file of the directory is damaged as a whole.
  case damagedFile(path: String, what: String)
  /// A snapshot cannot be read.
  case damagedSnapshot(name: String, what: String)
  /// The log has lost its beginning or its end: a snapshot knows of what the log does not hold.
  case notCovered(what: String)
  /// The file is somebody else's.
  case foreignDatabase(path: String, what: String)
  /// Written by a later version of Berth.
  case newerVersion(path: String, found: Int, known: Int)
  /// A batch that is whole holds what only a later version of Berth can read.
  case newerBatch(sequence: UInt64, what: String)
  /// Another process serves this directory.
  case locked(path: String, pid: Int?)
  /// There is something else at this place.
  case notADirectory(path: String)
  /// The directory holds files of somebody else and no log.
  case foreignDirectory(path: String, names: [String])
  /// Files that never stand alone stand alone.
  case missingLog(path: String, besides: [String])
  /// What is there may be a part of a log: a migration into it has not ended.
  case unfinishedMigration(path: String)
  /// No log here, and nobody asked for a new one.
  case noLog(path: String)
  /// The system refused.
  case io(operation: String, detail: String)
}

extension LogFault: CustomStringConvertible {
  /// What is wrong and the way out, in one or two sentences.
  package var description: String { "\(what); \(wayOut)" }

  private var what: String {
    switch self {
    case .damaged(let sequence, let what): "batch \(sequence) of the log is damaged: \(what)"
    case .missing(let from, let through):
      from == through
        ? "batch \(from) of the log is missing" : "batches \(from) to \(through) of the log are missing"
    case .trimmed(let oldest): "the log was trimmed and begins with batch \(oldest)"
    case .damagedFile(let path, let what): "\(path) is damaged: \(what)"
    case .damagedSnapshot(let name, let what): "snapshot \(name) is damaged: \(what)"
    case .notCovered(let what): what
    case .foreignDatabase(let path, let what): "\(path) is not a log of Berth: \(what)"
    case .newerVersion(let path, let found, let known):
      "\(path) has format \(found), this program knows formats up to \(known)"
    case .newerBatch(let sequence, let what):
      "batch \(sequence) of the log is of a later version of Berth: it holds \(what) that this program does not know"
    case .locked(let path, let pid): "\(path) is in use by \(pid.map { "process \($0)" } ?? "another process")"
    case .notADirectory(let path): "\(path) is not a directory"
    case .foreignDirectory(let path, let names):
      "\(path) is not a data directory of Berth: it holds \(LogFault.list(names))"
    case .missingLog(let path, let besides): "\(path)/log.db is gone but \(LogFault.list(besides)) is there"
    case .unfinishedMigration(let path):
      "a migration from etcd into \(path) has not ended: what is there may lack the end of the log"
    case .noLog(let path): "\(path) holds no log"
    case .io(let operation, let detail): "cannot \(operation): \(detail)"
    }
  }

  private var wayOut: String {
    switch self {
    case .damaged, .missing, .damagedFile:
      "run `berth check --data-dir DIR` for the extent, keep the directory and put a backup in its place"
    case .trimmed: "ask for a later revision or read a backup"
    case .damagedSnapshot: "move that file away; the snapshot before it is used if the log still covers it"
    case .notCovered: "keep the directory and put a backup in its place"
    case .foreignDatabase, .foreignDirectory: "name another directory with --data-dir"
    case .newerVersion, .newerBatch: "start the version of Berth that wrote it, or a later one"
    case .locked: "stop that process or name another directory with --data-dir"
    case .notADirectory: "name a directory with --data-dir"
    case .missingLog: "put log.db back, or a backup of the whole directory"
    case .unfinishedMigration:
      "repeat `berth cluster migrate --from etcd://... --to DIR`, or name another directory with --data-dir"
    case .noLog: "check --data-dir, or start `berth serve` to create one"
    case .io: "check the disk, its free space and the permissions"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.count <= 3
      ? names.joined(separator: ", ")
      : names.prefix(3).joined(separator: ", ") + " and \(names.count - 3) more"
  }
}
