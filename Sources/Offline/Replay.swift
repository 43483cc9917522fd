internal import Domain
internal import Engine
internal import Ledger
internal import Log

/// Rows and nothing else: puts and removes by key, so that rows that make no sense can be looked at without any index
/// tripping over them.
struct Replay {
  let tables = Tables(seed: 0)
  /// Entries up to here are in the rows already.
  private var applied: Revision = 0
  /// From here on the rows are a state that was hashed.
  private var wholeFrom: Revision = 0
  private var hashDiffers = false
  private var time: LogTime = 0
  private(set) var isBroken = false

  /// Begins with nothing, before the first batch.
  init() { tables.beginLoading() }

  /// Begins with the rows of a snapshot.
  init(_ snapshot: any SnapshotReader) throws(LogFault) {
    self.init()
    while let chunk = try snapshot.next() {
      do {
        try tables.load(SnapshotRows.decode(chunk.bytes))
      } catch {
        throw .damagedSnapshot(name: "\(snapshot.header.newestSequence)", what: "a row cannot be read: \(error)")
      }
    }
    applied = snapshot.header.oldestRevision
    wholeFrom = snapshot.header.newestRevision
  }

  /// The first revision that is not in the rows.
  var next: Revision { applied + 1 }

  /// Takes the next batch; says where it records another state than the rows are.
  mutating func take(_ batch: Batch, _ entries: [Entry]) -> String? {
    guard !isBroken, batch.nextRevision > next else { return nil }
    guard batch.firstRevision <= next else {
      isBroken = true
      return nil
    }
    var difference: String?
    if batch.firstRevision == next, applied >= wholeFrom, batch.stateHash != tables.stateHash, !hashDiffers {
      hashDiffers = true
      let place = "batch \(batch.sequence) (revision \(batch.firstRevision))"
      difference = "\(place) records another state than the log before it leads to"
    }
    for entry in entries where entry.revision > applied {
      tables.apply(entry.effects, revision: entry.revision, time: batch.time)
      applied = entry.revision
    }
    time = batch.time
    return difference
  }

  /// What comes now cannot follow what came before.
  mutating func cut() { isBroken = true }

  /// Computes what follows from the rows; false if the log broke off before the rows were a state.
  mutating func finish() -> Bool {
    guard !isBroken, applied >= wholeFrom else { return false }
    tables.finishLoading(revision: applied, time: time)
    return true
  }
}
