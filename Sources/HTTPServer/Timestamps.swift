internal import Platform

/// The two texts of the current second, made once a second: the `Date` header and the log line's time.
struct Timestamps {
  private(set) var date: [UInt8] = []
  private(set) var second: [UInt8] = []
  private var current: Int64 = .min

  /// Brings the texts up to date; false when they are.
  mutating func update(toSecond now: Int64) -> Bool {
    guard now != current else { return false }
    current = now
    let days = Int(now / 86_400)
    let time = Int(now % 86_400)
    let (year, month, day) = Self.civil(fromDays: days)
    date.removeAll(keepingCapacity: true)
    date.append(Self.weekdays[(days + 4) % 7])
    date.append(", " as StaticString)
    date.append(padded: day, digits: 2)
    date.append(0x20)
    date.append(Self.months[month - 1])
    date.append(0x20)
    date.append(padded: year, digits: 4)
    date.append(0x20)
    Self.appendClock(time, to: &date)
    date.append(" GMT" as StaticString)
    second.removeAll(keepingCapacity: true)
    second.append(padded: year, digits: 4)
    second.append(0x2D)
    second.append(padded: month, digits: 2)
    second.append(0x2D)
    second.append(padded: day, digits: 2)
    second.append(0x54)
    Self.appendClock(time, to: &second)
    return true
  }

  private static let weekdays: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months: [StaticString] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
  ]

  private static func appendClock(_ time: Int, to out: inout [UInt8]) {
    out.append(padded: time / 3600, digits: 2)
    out.append(0x3A)
    out.append(padded: time / 60 % 60, digits: 2)
    out.append(0x3A)
    out.append(padded: time % 60, digits: 2)
  }

  /// The Gregorian date of a day counted from 1970-01-01, by eras of 400 years that start in March.
  static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }
}
