/// How much a JSON document may ask of its reader.
package struct JSONLimits: Hashable, Sendable {
  /// Objects and arrays inside one another.
  package var depth = 32
  /// Bytes of one string or key, escapes resolved.
  package var stringBytes = 64 << 10
  /// Elements of one array.
  package var elements = 10_000
  /// Keys of one object.
  package var keys = 1_000
  /// Characters of one number.
  package var numberBytes = 128

  /// The limits for request bodies.
  package static let standard = JSONLimits()

  /// The limits for documents made by ourselves or by an operator's file: long, but never deeper.
  package static let generous = JSONLimits(stringBytes: 16 << 20, elements: 1 << 20, keys: 1 << 16)

  /// No document may be deeper than this, whatever the limits say: nesting uses the stack.
  package static let deepest = 64

  /// Starts from the standard limits and changes the named ones.
  package init(
    depth: Int = 32, stringBytes: Int = 64 << 10, elements: Int = 10_000, keys: Int = 1_000, numberBytes: Int = 128
  ) {
    precondition(depth <= Self.deepest, "JSON nesting is limited to \(Self.deepest)")
    self.depth = depth
    self.stringBytes = stringBytes
    self.elements = elements
    self.keys = keys
    self.numberBytes = numberBytes
  }
}
