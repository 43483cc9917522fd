extension String {
  /// Whether `part` stands somewhere in the text, byte for byte.
  // The standard search for a text in a text comes with the regular expressions, 1.3 MB of them, which are not linked.
  package func contains(_ part: String) -> Bool {
    let (text, part) = (utf8, part.utf8)
    guard part.count <= text.count else { return false }
    var start = text.startIndex
    for _ in 0...(text.count - part.count) {
      if text[start...].starts(with: part) { return true }
      if start < text.endIndex { start = text.index(after: start) }
    }
    return false
  }
}
