import Glibc
import Platform

/// The limit of a durable write: one record, one flush, again and again.
///
/// `sqlite` is what Berth's log does at one client without anything else: WAL, synchronous=FULL, one INSERT of
/// one blob per commit. `file` is the disk's own limit: pwrite into a zero-filled file and fdatasync.
enum Commit {
  static let fileSize = 16 << 20

  static func main(_ options: Options) throws(Failure) {
    let directory = try options.required("dir")
    let bytes = try options.integer("bytes", in: 1...1 << 20, default: 150)
    let limit = try options.nanoseconds("seconds", default: 3)
    let engine = options.text("engine") ?? "sqlite"
    let record = [UInt8](repeating: 0x5A, count: bytes)
    let histogram: Histogram
    switch engine {
    case "sqlite": histogram = try sqlite("\(directory)/bench-commit.db", record, limit)
    case "file": histogram = try file("\(directory)/bench-commit.log", record, limit)
    default: throw Failure("--engine takes sqlite or file, not '\(engine)'")
    }
    show(histogram, engine, bytes, limit, json: options.has("json"))
  }

  private static func show(_ histogram: Histogram, _ engine: String, _ bytes: Int, _ limit: Int64, json: Bool) {
    let rate = fixed(Double(histogram.count) / (Double(limit) / 1e9))
    let p50 = fixed(Double(histogram.quantile(0.5)) / 1000)
    let p99 = fixed(Double(histogram.quantile(0.99)) / 1000)
    if json {
      print("{\"engine\":\"\(engine)\",\"bytes\":\(bytes),\"per_second\":\(rate),\"p50_us\":\(p50),\"p99_us\":\(p99)}")
    } else {
      print("\(engine), \(bytes) bytes: \(rate) commits/s, p50 \(p50) us, p99 \(p99) us")
    }
  }

  /// Times `body` until `limit` has passed, after a tenth of it as warm-up.
  private static func measure(_ limit: Int64, _ body: () throws(Failure) -> Void) throws(Failure) -> Histogram {
    var histogram = Histogram()
    let start = MonotonicTime.now.nanoseconds
    var before = start
    while before - start < limit / 10 + limit {
      try body()
      let after = MonotonicTime.now.nanoseconds
      if before - start >= limit / 10 { histogram.add(after - before) }
      before = after
    }
    return histogram
  }

  private static func file(_ path: String, _ record: [UInt8], _ limit: Int64) throws(Failure) -> Histogram {
    let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { throw .system(path) }
    defer {
      close(descriptor)
      unlink(path)
    }
    let zeros = [UInt8](repeating: 0, count: fileSize)
    guard pwrite(descriptor, zeros, fileSize, 0) == fileSize, fsync(descriptor) == 0 else { throw .system(path) }
    var offset = 0
    return try measure(limit) { () throws(Failure) in
      guard pwrite(descriptor, record, record.count, offset) == record.count, fdatasync(descriptor) == 0 else {
        throw .system(path)
      }
      offset = offset + 2 * record.count <= fileSize ? offset + record.count : 0
    }
  }

  private static func sqlite(_ path: String, _ record: [UInt8], _ limit: Int64) throws(Failure) -> Histogram {
    let library = try SQLiteLibrary()
    for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
    var handle: OpaquePointer?
    guard library.open(path, &handle) == SQLiteLibrary.ok, let database = handle else {
      throw Failure("cannot open \(path)")
    }
    defer {
      _ = library.close(database)
      for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
    }
    let setup = """
      PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
      CREATE TABLE log (sequence INTEGER PRIMARY KEY, batch BLOB NOT NULL);
      """
    guard library.execute(database, setup, nil, nil, nil) == SQLiteLibrary.ok else { throw Failure("setup failed") }
    var prepared: OpaquePointer?
    let sql = "INSERT INTO log (batch) VALUES (?1)"
    guard library.prepare(database, sql, -1, &prepared, nil) == SQLiteLibrary.ok, let insert = prepared else {
      throw Failure("prepare failed")
    }
    defer { _ = library.finalize(insert) }
    let count = Int32(record.count)
    let blob = UnsafeMutablePointer<UInt8>.allocate(capacity: record.count)
    blob.initialize(from: record, count: record.count)
    defer { blob.deallocate() }
    guard library.bindBlob(insert, 1, blob, count, nil) == SQLiteLibrary.ok else { throw Failure("bind failed") }
    return try measure(limit) { () throws(Failure) in
      guard library.step(insert) == SQLiteLibrary.done, library.reset(insert) == SQLiteLibrary.ok else {
        throw Failure("an insert failed")
      }
    }
  }
}
