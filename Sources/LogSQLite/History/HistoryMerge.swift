import Log

/// Keeps runs few: four of one level become one of the next, a slice at a time, the lowest level first.
///
/// So a question looks at about three runs for each factor of four that the index has grown, and each pair is written
/// again once for each of those factors. Slices are bounded, so the thread that adds never stays away for long.
final class HistoryMerges {
  /// So many runs of a level are merged.
  static let runs = 4
  /// Parts written in one slice.
  static let sliceParts = 64

  private let writer: HistoryWriter
  private var merges: [HistoryMerge] = []

  init(_ writer: HistoryWriter) { self.writer = writer }

  /// Does one slice; false when there is nothing to merge or to clear.
  func slice() throws(LogFault) -> Bool {
    var didMerge = false
    var didClear = false
    let next = try nextMerge()
    try writer.transaction { () throws(LogFault) in
      if let next {
        didMerge = true
        if try next.slice(writer) { merges.removeAll { $0 === next } }
      }
      didClear = try faulting { () throws(SQLiteFailure) in try writer.clear(parts: HistoryMerges.sliceParts) }
    }
    return didMerge || didClear
  }

  /// Forgets what is under way.
  func reset() { merges = [] }

  private func nextMerge() throws(LogFault) -> HistoryMerge? {
    let busy = Set(merges.flatMap(\.inputs).map(\.id))
    let levels = Dictionary(grouping: writer.runs.filter { $0.state == .whole && !busy.contains($0.id) }, by: \.level)
    let underWay = merges.min { $0.level < $1.level }
    let ready = levels.filter { $0.value.count >= HistoryMerges.runs }.keys.min()
    if let underWay, underWay.level <= ready ?? .max { return underWay }
    guard let ready, let inputs = levels[ready]?.sorted(by: { $0.low < $1.low }).prefix(HistoryMerges.runs) else {
      return nil
    }
    let merge = HistoryMerge(ready, Array(inputs))
    merges.append(merge)
    return merge
  }
}

/// One merge on its way.
final class HistoryMerge {
  /// A run that is read from its beginning on.
  private struct Source {
    let run: HistoryRun
    var items: [HistoryItem] = []
    var next = 0

    /// The next pair, from the next part if need be.
    mutating func top(_ tables: HistoryTables) throws(LogFault) -> HistoryItem? {
      if next < items.count { return items[next] }
      guard let part = try tables.part(of: run, after: items.last) else { return nil }
      (items, next) = (part.items, 0)
      return items.first
    }
  }

  let level: Int
  let inputs: [HistoryRun]
  private var sources: [Source]
  private var output: HistoryRun?

  init(_ level: Int, _ inputs: [HistoryRun]) {
    (self.level, self.inputs) = (level, inputs)
    sources = inputs.map { Source(run: $0) }
  }

  /// Merges a slice; true when it was the last one.
  func slice(_ writer: HistoryWriter) throws(LogFault) -> Bool {
    let most = HistoryMerges.sliceParts * HistoryPart.pairs
    var merged: [HistoryItem] = []
    merged.reserveCapacity(most)
    while merged.count < most, let item = try next(writer.tables) { merged.append(item) }
    let isLast = merged.count < most
    try faulting { () throws(SQLiteFailure) in
      let low = inputs.map(\.low).min() ?? 0
      let high = inputs.map(\.high).max() ?? 0
      let output: HistoryRun
      if let begun = self.output {
        output = begun
      } else {
        output = try writer.begin(level: level + 1, .unfinished, low...high)
        self.output = output
      }
      try writer.write(merged[...], to: output)
      guard isLast else { return }
      try writer.change(output.id, to: .whole)
      for run in inputs { try writer.change(run.id, to: .merged) }
    }
    return isLast
  }

  private func next(_ tables: HistoryTables) throws(LogFault) -> HistoryItem? {
    var least: HistoryItem?
    for index in sources.indices {
      guard let top = try sources[index].top(tables) else { continue }
      if least == nil || top < least! { least = top }
    }
    guard let least else { return nil }
    // The same pair may be in several.
    for index in sources.indices {
      if sources[index].next < sources[index].items.count, sources[index].items[sources[index].next] == least {
        sources[index].next += 1
      }
    }
    return least
  }
}
