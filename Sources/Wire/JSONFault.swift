/// Why a JSON document was refused, where, and what to tell its author.
package struct JSONFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reasons, for callers who treat some of them apart.
  package enum Kind: String, Hashable, Sendable, CaseIterable {
    case endedEarly, unexpectedByte, trailingBytes, byteOrderMark
    case invalidUTF8, controlCharacter, badEscape, loneSurrogate
    case badNumber, numberOutOfRange
    case tooDeep, stringTooLong, tooManyElements, tooManyKeys, numberTooLong
    case duplicateKey, wrongType, unknownField, missingField, invalidValue
  }

  /// The reason.
  package let kind: Kind
  /// The byte of the document where reading stopped, counted from 0.
  package let offset: Int
  /// The field concerned, as in `labels.rack` or `items[3].ip`; empty for the document itself.
  package private(set) var path: String
  /// One sentence without the path and the offset.
  package let message: String

  /// Makes a fault at the document's root; the reader adds the path on the way out.
  package init(_ kind: Kind, at offset: Int, path: String = "", _ message: String) {
    self.kind = kind
    self.offset = offset
    self.path = path
    self.message = message
  }

  /// Whether the text is no JSON at all, as against JSON of the wrong shape.
  package var isSyntax: Bool {
    switch kind {
    case .wrongType, .unknownField, .missingField, .invalidValue, .numberOutOfRange: false
    default: true
    }
  }

  /// The sentence with its place, for logs and for people.
  package var description: String {
    (path.isEmpty ? "" : "\(path): ") + "\(message) (at byte \(offset))"
  }

  /// The same fault, seen from the object that holds `key`.
  func inside(key: String) -> JSONFault {
    var outer = self
    // A key may be as long as a string; a path is for people.
    outer.path = String(key.prefix(64)) + (path.isEmpty || path.first == "[" ? path : "." + path)
    return outer
  }

  /// The same fault, seen from the array that holds the element.
  func inside(index: Int) -> JSONFault {
    var outer = self
    outer.path = "[\(index)]" + (path.isEmpty || path.first == "[" ? path : "." + path)
    return outer
  }
}
