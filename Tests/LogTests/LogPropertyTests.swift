import Log
import LogSQLite
import Platform
import Testing

/// Random appends, checkpoints, restarts, crashes, trims and reads against an array.
@Suite struct LogPropertyTests {
  @Test(arguments: 0..<6) func aLogIsAnArrayThatForgetsItsFront(round: Int) throws {
    let seed = Entropy.uint64()
    var random = SplitMix(state: seed)
    var place = TemporaryDirectory()
    let retention = Retention(maxAge: 0, maxBytes: 1 << 40)
    var directory = try DataDirectory.open(place.path, .readWrite(create: true), retention: retention)
    var model: [Batch] = []
    var trace: [String] = []
    for _ in 0..<150 {
      switch Int.random(in: 0..<20, using: &random) {
      case 0..<10:
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          let largest = Bool.random(using: &random) ? 300 : 30_000
          let sizes = (0..<Int.random(in: 0...4, using: &random)).map { _ in
            Int.random(in: 0...largest, using: &random)
          }
          let batch = nextBatch(directory.log.head, sizes: sizes)
          try #require(append(directory.log, batch) == .durable, "seed \(seed): \(trace)")
          model.append(batch)
        }
        trace.append("append to \(model.count)")
      case 10, 11:
        directory.log.maintain(idle: Bool.random(using: &random))
        trace.append("maintain")
      case 12:
        trace.append("restart")
        directory.log.close()
        directory = try DataDirectory.open(place.path, .readWrite(create: false), retention: retention)
        #expect(!directory.crashed)
      case 13:
        trace.append("crash")
        let copy = TemporaryDirectory()
        try Damage.copy(place.path, to: copy.path)
        directory.log.close()
        place = copy
        directory = try DataDirectory.open(place.path, .readWrite(create: false), retention: retention)
        #expect(directory.crashed)
      case 14 where model.count > 2:
        let batch = model[Int.random(in: model.indices, using: &random)]
        trace.append("snapshot of \(batch.sequence)")
        if try directory.snapshots.list().first.map({ $0 < batch.sequence }) ?? true {
          let writer = try directory.snapshots.begin()
          try writer.add(chunk: [1], revision: batch.nextRevision - 1)
          try writer.finish(
            logID: directory.log.head.logID, sequence: batch.sequence, revision: batch.nextRevision - 1)
        }
      default:
        try compare(directory, model, &random, "seed \(seed): \(trace)")
      }
    }
    try compare(directory, model, &random, "seed \(seed): \(trace)")
    directory.log.close()
  }

  private func compare(
    _ directory: DataDirectory, _ model: [Batch], _ random: inout SplitMix, _ comment: String
  ) throws {
    let reader = try directory.reader()
    #expect(directory.log.head.sequence == UInt64(model.count), "\(comment)")
    guard let oldest = try reader.oldest() else { return #expect(model.isEmpty, "\(comment)") }
    let rest = Array(model[Int(oldest.sequence - 1)...])
    let limit = Int.random(in: 1...BatchPage.maxBatches, using: &random)
    #expect(try readAll(reader, from: oldest.sequence, limit: limit).map(\.batch) == rest, "\(comment)")
    #expect(!rest.isEmpty && oldest.revision == rest[0].firstRevision, "\(comment)")
    let revision = UInt64.random(in: 0...directory.log.head.nextRevision, using: &random)
    let holder = rest.first { ($0.firstRevision..<$0.nextRevision).contains(revision) }
    #expect(try reader.sequence(holding: revision) == holder?.sequence, "\(comment), revision \(revision)")
    // Whatever was trimmed, the snapshot to start from is covered.
    _ = try directory.snapshots.choose(for: reader)
  }
}
