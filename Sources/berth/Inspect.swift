import API
import CLI
import Engine
import Log
import LogSQLite
import Offline
import Wire

/// `berth check` and `berth log dump`: opens the directory named, and hands it to Offline.
enum Inspect {
  static func check(_ options: CheckOptions, _ io: CommandIO) -> Int32 {
    attempt(io) { () throws(LogFault) in
      let found = try report(options.dataDirectory, io)
      if !options.json { say(found.lines, io) }
      guard options.rebuild, found.canRebuild else {
        if options.json { _ = io.out(json(found)) }
        if options.rebuild { complain("nothing was made anew: the log itself is damaged", io) }
        return found.exitCode
      }
      let made: [String]
      do throws(EngineFault) { made = try rebuild(options.dataDirectory) } catch {
        complain("\(error)", io)
        return 70
      }
      // Whether it helped is looked at, not believed.
      let left = try report(options.dataDirectory, io)
      if options.json { _ = io.out(json(left, rebuilt: made)) } else { say(made + ["and now:"] + left.lines, io) }
      return left.exitCode
    }
  }

  private static func report(_ path: String, _ io: CommandIO) throws(LogFault) -> CheckReport {
    let directory = try DataDirectory.open(path, .readOnly)
    if let pid = directory.servedBy {
      note("process \(pid) serves \(path): what it writes meanwhile may be missed", io)
    }
    var report = try Check.run(
      Media(
        log: { () throws(LogFault) in try directory.reader() }, snapshots: directory.snapshots,
        history: directory.historyReader))
    for complaint in try directory.quickCheck() { report.add(.logDamaged, "SQLite says: \(complaint)") }
    return report
  }

  private static func json(_ report: CheckReport, rebuilt: [String]? = nil) -> [UInt8] {
    var out = JSONWriter()
    out.beginObject()
    out.key("sound")
    out.bool(report.isSound)
    for (key, value) in [("revision", report.revision), ("batches", report.batches), ("entries", report.entries)] {
      out.key(key)
      out.number(value)
    }
    out.key("findings")
    out.beginArray()
    for finding in report.findings {
      out.beginObject()
      out.field("kind", finding.kind.rawValue)
      out.field("what", finding.what)
      out.field("way_out", finding.wayOut)
      out.endObject()
    }
    out.endArray()
    if let rebuilt {
      out.key("rebuilt")
      out.beginArray()
      for line in rebuilt { out.string(line) }
      out.endArray()
    }
    out.endObject()
    return out.finish() + [UInt8(ascii: "\n")]
  }

  /// Needs the directory for itself: a server keeps what is derived up to date anyway. Says what was made.
  private static func rebuild(_ path: String) throws(EngineFault) -> [String] {
    do {
      let directory = try DataDirectory.open(path, .readWrite(create: false))
      defer { directory.log.close() }
      let history = try directory.history()
      defer { history.close() }
      let made = try Rebuild.run(
        log: { () throws(LogFault) in try directory.reader() }, snapshots: directory.snapshots, history: history)
      return made.lines + (try directory.snapshots.dropDamaged().map { "damaged snapshot of batch \($0) removed" })
    } catch let fault as EngineFault {
      throw fault
    } catch {
      throw .log("\(error)")
    }
  }

  static func dump(_ options: LogDumpOptions, _ io: CommandIO) -> Int32 {
    attempt(io) { () throws(LogFault) in
      let directory = try DataDirectory.open(options.dataDirectory, .readOnly)
      var dump = LogDump()
      if let since = options.since { dump.from = since + 1 }
      var left = options.limit ?? .max
      guard left > 0 else { return 0 }
      _ = try dump.run(try directory.reader()) { entry, time in
        left -= 1
        let line = options.json ? EntryLine.json(entry, time) : EntryLine.text(entry, time)
        return io.out(line) && left > 0
      }
      return 0
    }
  }

  private static func attempt(_ io: CommandIO, _ body: () throws(LogFault) -> Int32) -> Int32 {
    do throws(LogFault) { return try body() } catch {
      complain("\(error)", io)
      return 70
    }
  }

  private static func say(_ lines: [String], _ io: CommandIO) {
    _ = io.out(Array((lines.joined(separator: "\n") + "\n").utf8))
  }

  private static func note(_ text: String, _ io: CommandIO) { io.err(Array("note: \(text)\n".utf8)) }
  private static func complain(_ text: String, _ io: CommandIO) { io.err(Array("error: \(text)\n".utf8)) }
}
