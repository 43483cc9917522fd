/// Rows as bytes in pages, each behind a header of eight bytes: its length, whether it lives, and a link for the
/// owner's ring.
///
/// Pages never move or grow, so a million rows are never copied at once; freed places are kept by size and used
/// again. A row that does not change stays where it is: that is what makes a dump page by page (a fuzzy snapshot)
/// miss nothing.
struct Arena {
  /// A place in units of eight bytes; never 0.
  typealias Place = UInt32

  static let pageBytes = 1 << 18
  private static let pageShift: UInt32 = 15
  private static let header = 8
  /// So many pages have places: 32 GiB.
  private let pagesMax: Int
  private var pages: [[UInt8]] = []
  private var used = Arena.pageBytes
  private var free: [[Place]] = []

  init(pagesMax: Int = 1 << 17) { self.pagesMax = pagesMax }

  var pageCount: Int { pages.count }

  private func locate(_ place: Place) -> (page: Int, offset: Int) {
    (Int(place >> Arena.pageShift), Int(place & (1 << Arena.pageShift - 1)) * 8)
  }

  private static func units(_ length: Int) -> Int { (length + header + 7) / 8 }

  /// Stores the row in `range` of `bytes`, at most 64 KiB less one, with the link `next`.
  mutating func add(_ bytes: [UInt8], _ range: Range<Int>, next: Place) -> Place {
    precondition(range.count < 1 << 16 && range.upperBound <= bytes.count, "a row of \(range.count) bytes")
    let place = takePlace(Arena.units(range.count))
    let (page, offset) = locate(place)
    unsafe pages[page].withUnsafeMutableBytes { page in
      unsafe page[offset + 2] = 1
      unsafe page.storeBytes(of: next.littleEndian, toByteOffset: offset + 4, as: Place.self)
    }
    write(bytes, range, page, offset)
    return place
  }

  /// Writes a row's length and its bytes.
  private mutating func write(_ bytes: [UInt8], _ range: Range<Int>, _ page: Int, _ offset: Int) {
    precondition(
      range.upperBound <= bytes.count && offset + Arena.header + range.count <= Arena.pageBytes, "a row leaves its page"
    )
    unsafe pages[page].withUnsafeMutableBytes { page in
      unsafe page[offset] = UInt8(truncatingIfNeeded: range.count)
      unsafe page[offset + 1] = UInt8(range.count >> 8)
      unsafe bytes.withUnsafeBytes { bytes in
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: page[(offset + Arena.header)...])
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
      }
    }
  }

  /// Writes `bytes` over a row that takes as many units, and returns the old bytes; nil and unchanged if it does not
  /// fit or `refuses`.
  mutating func overwrite(_ place: Place, with bytes: [UInt8], unless refuses: (UInt8) -> Bool) -> [UInt8]? {
    let (page, offset) = locate(place)
    let length = length(page, offset)
    let start = offset + Arena.header
    guard Arena.units(length) == Arena.units(bytes.count), !refuses(pages[page][start]) else { return nil }
    let old = Array(pages[page][start..<start + length])
    write(bytes, bytes.indices, page, offset)
    return old
  }

  private mutating func takePlace(_ units: Int) -> Place {
    if units < free.count, let place = free[units].popLast() { return place }
    if used + units * 8 > Arena.pageBytes {
      // What is left of the page is marked dead, so that a walk passes it.
      precondition(units * 8 < Arena.pageBytes, "a row of \(units * 8) bytes does not fit a page")
      precondition(pages.count < pagesMax, "the rows take over \(pagesMax) pages: a place has no number for more")
      pages.append([UInt8](repeating: 0, count: Arena.pageBytes))
      used = pages.count == 1 ? 8 : 0
    }
    defer { used += units * 8 }
    return UInt32(pages.count - 1) << Arena.pageShift | UInt32(used / 8)
  }

  mutating func remove(_ place: Place) {
    let (page, offset) = locate(place)
    precondition(pages[page][offset + 2] == 1, "row freed twice")
    pages[page][offset + 2] = 2
    let units = Arena.units(length(page, offset))
    while free.count <= units { free.append([]) }
    free[units].append(place)
  }

  private func length(_ page: Int, _ offset: Int) -> Int {
    Int(pages[page][offset]) | Int(pages[page][offset + 1]) << 8
  }

  /// The page's bytes and where in them the row lies.
  func row(_ place: Place) -> (bytes: [UInt8], range: Range<Int>) {
    let (page, offset) = locate(place)
    let start = offset + Arena.header
    return (pages[page], start..<start + length(page, offset))
  }

  func next(of place: Place) -> Place {
    let (page, offset) = locate(place)
    var value: UInt32 = 0
    for index in stride(from: offset + 7, through: offset + 4, by: -1) {
      value = value << 8 | UInt32(pages[page][index])
    }
    return value
  }

  mutating func setNext(of place: Place, _ next: Place) {
    let (page, offset) = locate(place)
    for index in 0..<4 { pages[page][offset + 4 + index] = UInt8(truncatingIfNeeded: next >> UInt32(8 * index)) }
  }

  /// The bytes of a page; shared, not copied.
  func bytes(ofPage page: Int) -> [UInt8] { pages[page] }

  /// Visits a page's living rows in order: where the header begins, and where the row lies.
  static func walk(_ page: [UInt8], isFirst: Bool, _ body: (Int, Range<Int>) -> Void) {
    var offset = isFirst ? 8 : 0
    while offset + header <= page.count, page[offset + 2] != 0 {
      let length = Int(page[offset]) | Int(page[offset + 1]) << 8
      if page[offset + 2] == 1 { body(offset, offset + header..<offset + header + length) }
      offset += units(length) * 8
    }
  }

  /// Bytes held from the system.
  var residentBytes: Int { pages.count * Arena.pageBytes + free.reduce(0) { $0 + 4 * $1.capacity } }
}
