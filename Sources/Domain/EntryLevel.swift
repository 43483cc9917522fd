/// How much of the log's language a program knows. Each release that brings entries, rows or fields which the one before
/// it cannot read is one level more; a cluster writes nothing above the level that all of its nodes read.
package struct EntryLevel: Hashable, Comparable, Sendable {
  /// The number.
  package let number: UInt8

  /// Makes a level from its number.
  package init(_ number: UInt8) { self.number = number }

  /// The first.
  package static let first = EntryLevel(1)
  /// What this program reads.
  package static let known = first

  /// The order of releases.
  package static func < (a: EntryLevel, b: EntryLevel) -> Bool { a.number < b.number }
}

extension Command {
  /// What a program must know to read the entry of this command. Whoever adds a command, a row or a field says so here;
  /// golden tests pin what the levels before it write.
  package var level: EntryLevel { .first }
}
