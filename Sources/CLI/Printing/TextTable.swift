/// Rows under titles, fitted into a width.
struct TextTable {
  /// A title and where its cells stand.
  struct Column: Sendable {
    let title: String
    let isRight: Bool

    init(_ title: String, isRight: Bool = false) { (self.title, self.isRight) = (title, isRight) }
  }

  /// No column is made narrower to fit.
  static let narrowest = 6
  private static let gap = 2

  let columns: [Column]
  private(set) var rows: [[String]] = []

  init(_ columns: [Column]) { self.columns = columns }

  mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "\(cells.count) cells in \(columns.count) columns")
    rows.append(cells.map(printable))
  }

  /// The lines, titles first; `width` nil = as wide as they are.
  func lines(width: Int?, _ style: Style) -> [String] {
    // A column in which nobody has anything to say takes no room.
    let shown = columns.indices.filter { index in rows.isEmpty || rows.contains { !$0[index].isEmpty } }
    let widths = fitted(shown, into: width)
    func line(_ cells: [String]) -> String {
      var out = ""
      for (place, index) in shown.enumerated() where widths[place] > 0 {
        let text = shortened(cells[index], to: widths[place])
        let blank = String(repeating: " ", count: widths[place] - textWidth(text))
        out += (out.isEmpty ? "" : String(repeating: " ", count: Self.gap))
        out += columns[index].isRight ? blank + text : text + blank
      }
      while out.last == " " { out.removeLast() }
      return out
    }
    return [style.bold(line(columns.map(\.title)))] + rows.map(line)
  }

  /// The widths of the shown columns: the widest gives way first; when all are at their narrowest, the last go.
  private func fitted(_ shown: [Int], into width: Int?) -> [Int] {
    var widths = shown.map { index in
      max(textWidth(columns[index].title), rows.map { textWidth($0[index]) }.max() ?? 0)
    }
    guard let width else { return widths }
    func total() -> Int {
      widths.reduce(0, +) + Self.gap * max(0, widths.filter { $0 > 0 }.count - 1)
    }
    while total() > width, let widest = widths.max(), widest > Self.narrowest {
      let second = widths.filter { $0 < widest }.max() ?? 0
      let place = widths.lastIndex(of: widest)!
      widths[place] = max(Self.narrowest, second, widest - (total() - width))
      if widths[place] == widest { widths[place] -= 1 }
    }
    while total() > width, let last = widths.lastIndex(where: { $0 > 0 }), last > 0 { widths[last] = 0 }
    return widths
  }
}

/// The text in at most `width` columns, with an ellipsis where it was cut.
func shortened(_ text: String, to width: Int) -> String {
  guard textWidth(text) > width else { return text }
  var out = ""
  var used = 0
  for character in text {
    guard used + textWidth(character) <= width - 1 else { break }
    out.append(character)
    used += textWidth(character)
  }
  return width > 0 ? out + "…" : ""
}
