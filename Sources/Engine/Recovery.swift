package import Domain
package import Ledger
package import Log

/// Builds the tables from the newest healthy snapshot and the log after it, checking every hash on the way.
package struct Recovery {
  /// The state at the head of the log.
  package let tables: Tables
  /// The log's head.
  package let head: LogHead
  /// The revision of the snapshot used, 0 without one.
  package let snapshotRevision: Revision
  /// Damaged snapshots that were passed over.
  package let passedOver: [LogFault]

  /// Reads everything; `seed` scatters the indexes.
  package init(_ log: any BatchReader, _ snapshots: (any SnapshotStore)?, seed: UInt64) throws(EngineFault) {
    do {
      let choice = try snapshots?.choose(for: log)
      let tables = Tables(seed: seed)
      try Recovery.replay(log, from: choice?.reader, into: tables)
      self.tables = tables
      head = try log.head()
      passedOver = choice?.passedOver ?? []
      snapshotRevision = choice?.reader?.header.newestRevision ?? 0
    } catch let fault as LogFault {
      throw .log("\(fault)")
    } catch let fault as EngineFault {
      throw fault
    } catch {
      throw .state("\(error)")
    }
  }

  private static func replay(_ log: any BatchReader, from snapshot: (any SnapshotReader)?, into tables: Tables) throws {
    var applied: Revision = 0
    var wholeFrom: Revision = 0
    if let snapshot {
      tables.beginLoading()
      while let chunk = try snapshot.next() { try tables.load(chunk.bytes, SnapshotRows.places(chunk.bytes)) }
      applied = snapshot.header.oldestRevision
      wholeFrom = snapshot.header.newestRevision
    }
    guard let start = try log.sequence(holding: applied + 1) else {
      // A snapshot says no time; the next batch must not lie before the last.
      if snapshot != nil { tables.finishLoading(revision: applied, time: try log.head().time) }
      return
    }
    var isLoading = snapshot != nil
    if isLoading, applied >= wholeFrom {
      tables.finishLoading(revision: applied, time: 0)
      isLoading = false
    }
    try log.verify(from: start) { stored throws(LogFault) in
      let batch = stored.batch
      // Before a snapshot is whole, and in the middle of a batch, the tables are no state that anybody hashed.
      if !isLoading, batch.firstRevision == tables.revision + 1, batch.stateHash != tables.stateHash {
        throw .damaged(sequence: batch.sequence, what: "the state before it has another hash than it records")
      }
      for bytes in batch.entries {
        do throws(CodingFault) { try tables.apply(entry: bytes, unlessUpTo: applied, time: batch.time) } catch {
          throw Recovery.fault(error, in: batch)
        }
      }
      if isLoading, batch.nextRevision > wholeFrom {
        tables.finishLoading(revision: batch.nextRevision - 1, time: batch.time)
        isLoading = false
      }
    }
  }

  /// Reads one entry of a batch.
  package static func entry(_ bytes: [UInt8], in batch: Batch) throws(LogFault) -> Entry {
    do { return try Entry(decoding: bytes) } catch { throw fault(error, in: batch) }
  }

  /// Why a batch whose hash is right cannot be read: mostly, because a later version wrote it.
  private static func fault(_ fault: CodingFault, in batch: Batch) -> LogFault {
    switch fault {
    case .unknownVersion(let version): .newerBatch(sequence: batch.sequence, what: "a form of version \(version)")
    case .unknownKind(let kind): .newerBatch(sequence: batch.sequence, what: "a \(kind)")
    case .short, .invalid:
      .damaged(sequence: batch.sequence, what: "an entry cannot be read: \(fault)")
    }
  }
}

/// The rows of a snapshot's chunk, one after the other with their lengths before them.
package enum SnapshotRows {
  /// Joins rows to a chunk.
  package static func encode(_ rows: [[UInt8]]) -> [UInt8] {
    var out = ByteWriter(capacity: rows.reduce(16) { $0 + $1.count + 3 })
    for row in rows { out.block(row) }
    return out.bytes
  }

  /// Where the rows of a chunk lie.
  package static func places(_ bytes: [UInt8]) throws(CodingFault) -> [Range<Int>] {
    var scan = RowScan(0..<bytes.count)
    var rows: [Range<Int>] = []
    while !scan.isAtEnd { rows.append(try scan.block(bytes)) }
    return rows
  }

  /// Takes a chunk apart.
  package static func decode(_ bytes: [UInt8]) throws(CodingFault) -> [[UInt8]] {
    var reader = ByteReader(bytes)
    var rows: [[UInt8]] = []
    while !reader.isAtEnd { rows.append(try reader.block()) }
    return rows
  }
}
