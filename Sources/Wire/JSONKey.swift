/// The key of a member while its value is being read; compares with literals in a `switch` without making text.
package struct JSONKey: Sendable {
  let content: ArraySlice<UInt8>
  /// Where the key stands in the document.
  package let offset: Int

  /// The key as text.
  package var text: String { String(decoding: content, as: UTF8.self) }

  /// Whether the key is exactly `pattern`, byte for byte.
  package static func ~= (pattern: StaticString, key: JSONKey) -> Bool {
    key.content.holds(pattern, at: key.content.startIndex, count: key.content.count)
  }
}

extension ArraySlice<UInt8> {
  /// Whether the `length` bytes at `start` are exactly those of `literal`.
  func holds(_ literal: StaticString, at start: Int, count length: Int) -> Bool {
    guard literal.utf8CodeUnitCount == length, start + length <= endIndex else { return false }
    return literal.withUTF8Buffer { wanted in
      for i in 0..<length where unsafe wanted[i] != self[start + i] { return false }
      return true
    }
  }
}
