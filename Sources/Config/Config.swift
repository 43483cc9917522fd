// Config: from what a person wrote to values with an origin.
//
// One table says which settings exist; the names of flag, environment variable and file key follow from it, and so do
// the help text and `config show --origin`. A value comes from the first of flag, environment, file, default; it is
// checked the same way wherever it came from. What is not in the table is an error, never ignored: a misspelt
// `listen` must not start a server on the default address.
//
// The room is pure: arguments, variables and the text of the file are handed in. Errors name the place, the rule and
// the way out, and all of them are reported at once.
//
// Refused: all of TOML. Dates, floats, dotted keys, inline tables and multi-line strings have no use here, and each
// would be a second way to write the same thing; they are named in the error instead of being misread.

/// Something a person wrote that cannot be taken: where, which rule, and what to do instead.
package struct ConfigFault: Error, Hashable, Sendable {
  /// The place as the person knows it: `--port`, `BERTH_PORT`, `berth.toml:3: port`.
  package let place: String
  /// The rule it breaks, as a sentence that follows the place.
  package let rule: String
  /// What to write instead.
  package let remedy: String

  /// Makes a fault.
  package init(_ place: String, _ rule: String, remedy: String) {
    self.place = place
    self.rule = rule
    self.remedy = remedy
  }
}

extension ConfigFault: CustomStringConvertible {
  /// One line for a terminal.
  package var description: String { "\(place) \(rule); \(remedy)" }
}

/// All that is wrong with a configuration, never empty.
package struct ConfigFaults: Error, Hashable, Sendable {
  /// In the order flags, environment, file.
  package let faults: [ConfigFault]
}

/// Whether a person wrote `name` and probably meant one of `names`.
package func suggestion(for name: String, among names: some Sequence<String>) -> String? {
  let near = names.map { (name: $0, distance: editDistance(name, $0)) }.min { $0.distance < $1.distance }
  guard let near, near.distance <= max(1, name.utf8.count / 3) else { return nil }
  return near.name
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour.
private func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.utf8.prefix(64)), Array(b.utf8.prefix(64)))
  var (beforeLast, last) = ([Int](), Array(0...b.count))
  for i in a.indices {
    var row = [i + 1]
    for j in b.indices {
      var best = min(row[j] + 1, last[j + 1] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
      row.append(best)
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count]
}
