package import Domain
package import Wire

/// Log time as text: RFC 3339 in UTC with microseconds, `2026-01-31T12:00:00.000000Z`.
package enum Instant {
  /// The text of a time.
  package static func text(_ time: LogTime) -> String {
    var out: [UInt8] = []
    append(time, to: &out)
    return String(decoding: out, as: UTF8.self)
  }

  /// The most bytes that the text of a time has.
  package static let textBytesMax = 32

  /// Appends the text of a time.
  package static func append(_ time: LogTime, to out: inout [UInt8]) {
    out.append(addingCapacity: textBytesMax) { append(time, to: &$0) }
  }

  /// Appends the text of a time to memory that has room for it.
  package static func append(_ time: LogTime, to out: inout OutputSpan<UInt8>) {
    let (days, inDay) = floored(time, by: microsecondsPerDay)
    let (year, month, day) = civil(days: days)
    let seconds = inDay / 1_000_000
    digits(year, 4, to: &out)
    out.append(UInt8(ascii: "-"))
    digits(month, 2, to: &out)
    out.append(UInt8(ascii: "-"))
    digits(day, 2, to: &out)
    out.append(UInt8(ascii: "T"))
    digits(seconds / 3600, 2, to: &out)
    out.append(UInt8(ascii: ":"))
    digits(seconds / 60 % 60, 2, to: &out)
    out.append(UInt8(ascii: ":"))
    digits(seconds % 60, 2, to: &out)
    out.append(UInt8(ascii: "."))
    digits(inDay % 1_000_000, 6, to: &out)
    out.append(UInt8(ascii: "Z"))
  }

  /// The rule in words.
  package static let rule = "an RFC 3339 time such as 2026-01-31T12:00:00Z, with up to six digits of fraction"

  /// Reads RFC 3339 with `Z` or an offset; nil for anything else. Leap seconds are refused.
  package static func parse(_ text: String) -> LogTime? {
    var cursor = Cursor(Array(text.utf8.prefix(40)))
    guard let year = cursor.number(4), cursor.skip("-"), let month = cursor.number(2), cursor.skip("-"),
      let day = cursor.number(2), cursor.skip("T") || cursor.skip("t"), let hour = cursor.number(2), cursor.skip(":"),
      let minute = cursor.number(2), cursor.skip(":"), let second = cursor.number(2)
    else { return nil }
    guard year >= 1970, (1...12).contains(month), (1...daysIn(month, year)).contains(day), hour < 24, minute < 60,
      second < 60
    else { return nil }
    guard let fraction = cursor.fraction(), let offset = cursor.offset(), cursor.isAtEnd else { return nil }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * 1_000_000 + fraction
  }

  private static let microsecondsPerDay: Int64 = 86_400_000_000

  /// The proleptic Gregorian date of a day counted from 1970-01-01; years are counted from March, so that the leap
  /// day is the last of its year (H. Hinnant, "chrono-compatible low-level date algorithms").
  private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let (era, dayOfEra) = floored(days + 719_468, by: 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let marchMonth = (5 * dayOfYear + 2) / 153
    let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
    return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
  }

  private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let (era, yearOfEra) = floored(month <= 2 ? year - 1 : year, by: 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func daysIn(_ month: Int64, _ year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  private static func floored(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }

  private static func digits(_ value: Int64, _ count: Int, to out: inout OutputSpan<UInt8>) {
    var divisor: Int64 = 1
    for _ in 1..<count { divisor *= 10 }
    while divisor > 0 {
      out.append(48 + UInt8(truncatingIfNeeded: value / divisor % 10))
      divisor /= 10
    }
  }

  private struct Cursor {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
      guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
      position += 1
      return true
    }

    mutating func digit() -> Int64? {
      guard position < bytes.count, (48...57).contains(bytes[position]) else { return nil }
      position += 1
      return Int64(bytes[position - 1] - 48)
    }

    mutating func number(_ count: Int) -> Int64? {
      var value: Int64 = 0
      for _ in 0..<count {
        guard let digit = digit() else { return nil }
        value = value * 10 + digit
      }
      return value
    }

    /// Microseconds; none = 0.
    mutating func fraction() -> Int64? {
      guard skip(".") else { return 0 }
      var value: Int64 = 0
      var count = 0
      while count < 6, let digit = digit() {
        value = value * 10 + digit
        count += 1
      }
      if count == 0 { return nil }
      for _ in count..<6 { value *= 10 }
      return value
    }

    /// Seconds east of UTC.
    mutating func offset() -> Int64? {
      if skip("Z") || skip("z") { return 0 }
      let sign: Int64
      if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
      guard let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
      return sign * (hours * 3600 + minutes * 60)
    }
  }
}

extension JSONWriter {
  /// Writes a time, `null` for nil.
  package mutating func field(_ key: StaticString, time: LogTime?) {
    guard let time else { return fieldNull(key) }
    field(key, room: Instant.textBytesMax + 2) { out in
      out.append(UInt8(ascii: "\""))
      Instant.append(time, to: &out)
      out.append(UInt8(ascii: "\""))
    }
  }
}

extension JSONReader {
  /// Reads a time.
  package mutating func time() throws(JSONFault) -> LogTime {
    guard let time = Instant.parse(try string()) else { throw invalid("must be \(Instant.rule)") }
    return time
  }

  /// Reads a time or `null`.
  package mutating func timeOrNull() throws(JSONFault) -> LogTime? { try null() ? nil : try time() }
}
