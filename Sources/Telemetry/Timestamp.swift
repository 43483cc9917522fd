/// Appends an instant as RFC 3339 in UTC, with microseconds: `2026-01-31T12:00:00.000000Z`.
func appendTimestamp(_ microseconds: Int64, to out: inout [UInt8]) {
  let (days, inDay) = microseconds.floored(by: 86_400_000_000)
  let (year, month, day) = civil(days: days)
  let seconds = inDay / 1_000_000
  appendDigits(year, 4, to: &out)
  for (mark, value) in [("-", month), ("-", day), ("T", seconds / 3600), (":", seconds / 60 % 60), (":", seconds % 60)]
  {
    out += mark.utf8
    appendDigits(value, 2, to: &out)
  }
  out.append(UInt8(ascii: "."))
  appendDigits(inDay % 1_000_000, 6, to: &out)
  out.append(UInt8(ascii: "Z"))
}

/// The proleptic Gregorian date of a day counted from 1970-01-01. Years are counted from March, so that the leap day is
/// the last of its year; 400 years have 146,097 days (H. Hinnant, "chrono-compatible low-level date algorithms").
private func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
  let (era, dayOfEra) = (days + 719_468).floored(by: 146_097)
  let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
  let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  let marchMonth = (5 * dayOfYear + 2) / 153
  let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
  let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
  return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
}

private func appendDigits(_ value: Int64, _ count: Int, to out: inout [UInt8]) {
  var divisor: Int64 = 1
  for _ in 1..<count { divisor *= 10 }
  while divisor > 0 {
    out.append(48 + UInt8(value / divisor % 10))
    divisor /= 10
  }
}

extension Int64 {
  fileprivate func floored(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
  }
}
