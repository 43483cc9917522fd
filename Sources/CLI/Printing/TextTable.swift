/// Rows under titles, fitted into a width.
struct TextTable {
  /// A title and where its cells stand.
  struct Column: Sendable {
    let title: String
    let isRight: Bool
    /// Worth nothing when it is cut: an address, a number.
    let isWhole: Bool

    init(_ title: String, isRight: Bool = false, isWhole: Bool = false) {
      (self.title, self.isRight, self.isWhole) = (title, isRight, isWhole || isRight)
    }
  }

  /// No text is made narrower while another column can be left out.
  static let readable = 9
  /// No column is made narrower at all.
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

  /// The widths of the shown columns; 0 = left out. Texts give way first, the widest first, as long as they can still be
  /// told apart; then whole columns go, the last first. Only when the first two alone are too wide is everything cut.
  private func fitted(_ shown: [Int], into width: Int?) -> [Int] {
    let natural = shown.map { index in
      max(textWidth(columns[index].title), rows.map { textWidth($0[index]) }.max() ?? 0)
    }
    guard let width else { return natural }
    for count in stride(from: shown.count, through: min(2, shown.count), by: -1) {
      let least = shown.prefix(count).map { columns[$0].isWhole ? Int.max : Self.readable }
      let widths = Self.narrowed(Array(natural.prefix(count)), to: width, least: least)
      if Self.total(widths) <= width { return widths + [Int](repeating: 0, count: shown.count - count) }
    }
    var widths = Self.narrowed(natural, to: width, least: natural.map { _ in Self.narrowest })
    while Self.total(widths) > width, let last = widths.lastIndex(where: { $0 > 0 }), last > 0 { widths[last] = 0 }
    return widths
  }

  private static func total(_ widths: [Int]) -> Int {
    widths.reduce(0, +) + gap * max(0, widths.filter { $0 > 0 }.count - 1)
  }

  /// Makes the widest narrower until all fit or each is at its least.
  private static func narrowed(_ widths: [Int], to width: Int, least: [Int]) -> [Int] {
    var widths = widths
    while total(widths) > width {
      let wide = widths.indices.filter { widths[$0] > least[$0] }
      guard let place = wide.max(by: { widths[$0] <= widths[$1] }) else { break }
      let second = wide.map { widths[$0] }.filter { $0 < widths[place] }.max() ?? 0
      let wanted = max(least[place], second, widths[place] - (total(widths) - width))
      widths[place] = min(wanted, widths[place] - 1)
    }
    return widths
  }

  /// The titles of columns that have something to say and no room.
  func leftOut(width: Int?) -> [String] {
    let shown = columns.indices.filter { index in rows.contains { !$0[index].isEmpty } }
    return zip(shown, fitted(shown, into: width)).filter { $0.1 == 0 }.map { columns[$0.0].title }
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
