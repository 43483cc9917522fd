package import Wire

/// What the door looks at on every request, without making strings.
extension Request {
  /// The value of a header that may stand once.
  package enum Single: Sendable {
    /// It is not there.
    case none
    /// It is there, at these offsets of `raw`.
    case one(ByteRange)
    /// It is there twice.
    case repeated
  }

  /// The bytes of the request's head, to which offsets refer.
  package var raw: [UInt8] { bytes }

  /// The value of a header that may stand once; `name` in lower case.
  package func single(_ name: StaticString) -> Single {
    var found = Single.none
    for field in head.fields where bytes.matches(field.name, name) {
      guard case .none = found else { return .repeated }
      found = .one(field.value)
    }
    return found
  }

  /// The query as it was sent.
  package var rawQuery: ByteRange? { head.query }
}
