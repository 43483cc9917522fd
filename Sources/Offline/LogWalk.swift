internal import Engine
internal import Domain
internal import Log

/// Goes through a whole log and shows every batch that can be read and everything that is wrong in between.
struct LogWalk {
  /// After a fault so many batches are read one by one, until the page is past it.
  private static let pageOf = BatchPage.maxBatches

  let open: () throws(LogFault) -> any BatchReader
  private var reader: any BatchReader
  private var faults: Set<String> = []

  init(_ open: @escaping () throws(LogFault) -> any BatchReader) throws(LogFault) {
    self.open = open
    reader = try open()
  }

  /// Shows batches and faults in order.
  mutating func run(_ show: (Result<StoredBatch, LogFault>) -> Void) throws(LogFault) {
    let head = try reader.head()
    guard let oldest = try reader.oldest() else {
      if head.sequence > 0 { show(.failure(.missing(from: 1, through: head.sequence))) }
      return
    }
    var next = oldest.sequence
    var careful = 0
    while next <= head.sequence {
      do throws(LogFault) {
        let page = try reader.batches(from: next, limit: careful > 0 ? 1 : Self.pageOf)
        guard let last = page.last else { break }
        for stored in page { show(.success(stored)) }
        next = last.batch.sequence + 1
        careful = max(0, careful - 1)
      } catch {
        if careful == 0 {
          careful = Self.pageOf
          try relink(before: next, oldest: oldest.sequence)
        } else {
          try step(over: error, &next, show)
        }
      }
    }
  }

  /// A fresh reader that has seen the batch before `next`, so that it checks the link between the two.
  private mutating func relink(before next: UInt64, oldest: UInt64) throws(LogFault) {
    reader = try open()
    if next > oldest { _ = try? reader.batches(from: next - 1, limit: 1) }
  }

  /// Tells of a fault at batch `next` and goes on behind it; the batch itself is shown if it can be read alone.
  private mutating func step(
    over fault: LogFault, _ next: inout UInt64, _ show: (Result<StoredBatch, LogFault>) -> Void
  ) throws(LogFault) {
    if faults.insert("\(fault)").inserted { show(.failure(fault)) }
    reader = try open()
    if case .missing(_, let through) = fault, through >= next {
      next = through + 1
      return
    }
    if let alone = try? reader.batches(from: next, limit: 1).first { show(.success(alone)) }
    next += 1
  }
}
