import CLI
import Engine
import Ledger
import Log
import LogEtcd
import LogSQLite
import Offline
import Platform

/// `berth cluster rejoin` and `berth cluster migrate`: opens the media, hands them to Offline, tells what came of it.
enum Move {
  static func rejoin(_ directory: String, _ io: CommandIO) -> Int32 {
    attempt(io) { () throws in
      guard let place = try ArchiveDirectory.clear(directory) else {
        say("\(directory) holds nothing of Berth: the node's next start fetches everything from the cluster", io)
        return 0
      }
      say("moved to \(place): the node's next start fetches everything from the cluster", io)
      return 0
    }
  }

  static func migrate(_ options: MigrateOptions, _ io: CommandIO) -> Int32 {
    attempt(io) { () throws in try options.isIntoCluster ? into(options, io) : outOf(options, io) }
  }

  private static func into(_ options: MigrateOptions, _ io: CommandIO) throws -> Int32 {
    let directory = try DataDirectory.open(options.directory, .readOnly)
    if let pid = directory.servedBy { throw LogFault.locked(path: options.directory, pid: pid) }
    // Who serves it from now on would acknowledge writes that are in no cluster.
    let hold = try DirectoryHold(options.directory)
    let way = try way(options, io)
    let whole = try Migration.read(directory.reader(), directory.snapshots)
    try EtcdSeed(way.endpoints, prefix: options.prefix, door: way.door).write(whole.image, newest: whole.newest)
    let found = try ScratchDirectory.with("berth-migrate") { scratch in
      try Migration.join(log(options, way), ArchiveDirectory(scratch), keep: false)
    }
    guard try hold.isUndisturbed(since: whole.image.anchor) else {
      throw Complaint(
        "\(options.directory) was served while it was moved, and etcd lacks what it has acknowledged since: stop its"
          + " server, remove \(options.prefix) from etcd or name another with --etcd-prefix, and migrate again",
        code: 70)
    }
    return tell(whole.stateHash, found.stateHash, options.directory, "etcd", whole.revision, io)
  }

  private static func outOf(_ options: MigrateOptions, _ io: CommandIO) throws -> Int32 {
    let log = log(options, try way(options, io))
    // Before a node joins, which would make a log where none is.
    guard try log.reader().head().sequence > 0 else {
      throw EngineFault.log("the log in etcd is empty: there is nothing to move")
    }
    let archive = try ArchiveDirectory.migrating(into: options.directory)
    let found = try Migration.join(log, archive, keep: true)
    // As the next `berth serve --data-dir` will read it.
    let directory = try DataDirectory.open(options.directory, .readWrite(create: false), ofMigration: true)
    defer { directory.log.close() }
    if try directory.reader().oldest()?.revision != 1, try directory.snapshots.list().isEmpty {
      throw EngineFault.log("a log that does not begin with its first entry needs a snapshot, and none was made")
    }
    let whole = try Migration.read(directory.reader(), directory.snapshots)
    if found.stateHash == whole.stateHash { try archive.endMigration() }
    return tell(found.stateHash, whole.stateHash, "etcd", options.directory, whole.revision, io)
  }

  private static func way(_ options: MigrateOptions, _ io: CommandIO) throws -> EtcdWay {
    let way = try EtcdWay(options.etcd, options.etcdTLS) { io.err(Array("note: \($0)\n".utf8)) }
    for trouble in try way.look() { io.err(Array("note: \(trouble)\n".utf8)) }
    return way
  }

  private static func log(_ options: MigrateOptions, _ way: EtcdWay) -> EtcdLog {
    way.log(node: "migrate-\(CurrentProcess.id)", url: "", prefix: options.prefix)
  }

  private static func tell(
    _ one: UInt128, _ other: UInt128, _ from: String, _ to: String, _ revision: UInt64, _ io: CommandIO
  ) -> Int32 {
    say("\(from): revision \(revision), state hash \(String(one, radix: 16))", io)
    say("\(to): revision \(revision), state hash \(String(other, radix: 16))", io)
    guard one == other else {
      complain("the two differ: do not serve \(to); nothing was changed in \(from)", io)
      return 7
    }
    say("moved; \(from) was only read and must not be served any more", io)
    return 0
  }

  private static func attempt(_ io: CommandIO, _ body: () throws -> Int32) -> Int32 {
    do { return try body() } catch let fault as Complaint {
      complain(fault.text, io)
      return fault.code
    } catch {
      complain("\(error)", io)
      return 70
    }
  }

  private static func say(_ text: String, _ io: CommandIO) { _ = io.out(Array("\(text)\n".utf8)) }
  private static func complain(_ text: String, _ io: CommandIO) { io.err(Array("error: \(text)\n".utf8)) }
}
