import Glibc
import Log
import LogSQLite
import Platform
import Testing

/// A file system of its own with little room; needs the right to mount.
private final class SmallDisk {
  let path = "/tmp/berth-disk-\(ThisProcess.id)-\(Entropy.uint64())"

  init?(megabytes: Int) {
    guard (try? FileSystem.makeDirectory(path)) != nil else { return nil }
    guard mount("none", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
      try? FileSystem.removeDirectory(path)
      return nil
    }
  }

  deinit {
    umount2(path, Int32(MNT_DETACH))
    try? FileSystem.removeDirectory(path)
  }

  static let mayMount = SmallDisk(megabytes: 1) != nil
}

@Suite(.enabled(if: SmallDisk.mayMount, "no right to mount a small file system"), .timeLimit(.minutes(2)))
struct FullDiskTests {
  @Test(arguments: [60, 100_000, 1_000_000]) func aFullDiskIsRefusedAndAppendsGoOnOnceThereIsRoom(size: Int) throws {
    let disk = try #require(SmallDisk(megabytes: 12))
    let directory = try DataDirectory.open(disk.path + "/data", .readWrite(create: true))
    try Damage.write(Array(repeating: 1, count: 3 << 20), to: disk.path + "/ballast")
    var model: [Batch] = []
    var refusals = 0
    while refusals < 3 {
      let batch = nextBatch(directory.log.head, sizes: Array(repeating: size, count: size < 100 ? 200 : 1))
      switch append(directory.log, batch) {
      case .durable: model.append(batch)
      case .refused(.storageFull): refusals += 1
      case let end:
        Issue.record("batch \(batch.sequence) ended as \(end)")
        return
      }
      directory.log.maintain(idle: model.count.isMultiple(of: 50))
    }
    #expect(!model.isEmpty)
    #expect(directory.log.head.sequence == UInt64(model.count))
    #expect(try readAll(directory.reader(), limit: 256).map(\.batch) == model, "reads go on")
    try FileSystem.remove(disk.path + "/ballast")
    let more = nextBatch(directory.log.head, sizes: [size])
    #expect(append(directory.log, more) == .durable)
    directory.log.maintain(idle: true)
    directory.log.close()
    let again = try DataDirectory.open(disk.path + "/data", .readWrite(create: false))
    #expect(try readAll(again.reader(), limit: 256).map(\.batch) == model + [more])
    again.log.close()
  }

  @Test func aSnapshotThatFindsNoRoomLeavesTheOldOnes() throws {
    let disk = try #require(SmallDisk(megabytes: 12))
    let directory = try DataDirectory.open(disk.path + "/data", .readWrite(create: true))
    defer { directory.log.close() }
    fill(directory.log, 3)
    let first = try directory.snapshots.begin()
    try first.add(chunk: [1], revision: 1)
    try first.finish(logID: directory.log.head.logID, sequence: 1, revision: 1)
    let second = try directory.snapshots.begin()
    var random = SplitMix(state: 1)
    let noise = (0..<SnapshotChunk.maxBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
    let fault = #expect(throws: LogFault.self) {
      for _ in 0..<20 { try second.add(chunk: noise, revision: 2) }
    }
    #expect(fault?.description.contains("No space left on device; check the disk, its free space") == true)
    second.abandon()
    #expect(try directory.snapshots.list() == [1])
    fill(directory.log, 3)
  }
}
