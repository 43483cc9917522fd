import Addressing
import Domain
import TestSupport
import Testing

@Suite struct RowCodingTests {
  @Test(arguments: Samples.allRows) func aRowIsReadAsItWasWritten(row: Row) throws {
    #expect(try Row(decoding: row.encoded) == row)
    #expect(try Row(decoding: row.encoded).encoded == row.encoded)
  }

  @Test(arguments: zip(Samples.allRows, goldenRows + goldenFleet)) func version1IsPinned(row: Row, golden: String) {
    #expect(row.encoded.hex == golden)
  }

  @Test(arguments: Samples.allRows) func anUnknownVersionIsRefused(row: Row) {
    var bytes = row.encoded
    bytes[0] = bytes[0] & 15 | 0x20
    #expect(throws: CodingFault.unknownVersion(2)) { try Row(decoding: bytes) }
  }

  @Test(arguments: Samples.allRows) func aCutRowIsRefused(row: Row) {
    let bytes = row.encoded
    for end in 0..<bytes.count {
      #expect(throws: CodingFault.self, "cut at \(end)") { try Row(decoding: Array(bytes[..<end])) }
    }
    #expect(throws: CodingFault.self) { try Row(decoding: bytes + [0]) }
  }

  @Test func aRowTooLongForTheTableIsRefused() {
    var out = ByteWriter()
    out.byte(0x12)
    for _ in 0..<Limits.rowBytes { out.byte(1) }
    #expect(throws: CodingFault.self) { try Row(decoding: out.bytes) }
  }

  @Test(arguments: Samples.rows) func aViewSaysWhatTheRowSays(row: Row) throws {
    let bytes = [9] + row.encoded + [9]
    guard case .allocation(let allocation) = row else {
      #expect(throws: CodingFault.self) { try AllocationView(bytes, 1..<bytes.count - 1) }
      #expect(!AllocationView.expires(bytes, 1..<bytes.count - 1))
      return
    }
    let view = try AllocationView(bytes, 1..<bytes.count - 1)
    func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: bytes[$0], as: UTF8.self) } }
    #expect(text(view.pool) == allocation.pool.text && text(view.owner) == allocation.owner.text)
    #expect(text(view.tenant) ?? "default" == allocation.tenant.text)
    #expect(view.block == allocation.block && view.isChildPrefix == allocation.isChildPrefix)
    #expect(view.mac == allocation.mac && view.expiresAt == allocation.expiresAt)
    #expect(view.generation == allocation.generation)
    #expect(AllocationView.expires(bytes, 1..<bytes.count - 1) == (allocation.expiresAt != nil))
  }

  @Test(arguments: Samples.entries) func aViewOfAnEntryHasItsEffects(entry: Entry) throws {
    let bytes = entry.encoded
    let view = try EntryView(bytes)
    #expect(view.revision == entry.revision && view.kind == entry.kind)
    #expect(view.effects.map(\.isPut) == entry.effects.map(\.isPut))
    #expect(view.effects.map { Array(bytes[$0.row]) } == entry.effects.map(\.bytes))
  }

  /// What is read has one form only: the state hash is of the bytes, so two forms of a row would be two states.
  @Test func damagedBytesAreRefusedOrMeanExactlyWhatTheySay() {
    var random = SeededRandom(announcedAs: "damagedBytes")
    var accepted = 0
    for round in 0..<20_000 {
      var bytes = Samples.allRows[round % Samples.allRows.count].encoded
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0...3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        default: if bytes.count > 1 { bytes.remove(at: place) }
        }
      }
      let row = try? Row(decoding: bytes)
      if bytes.first == AllocationView.tag {
        let view = try? AllocationView(bytes, 0..<bytes.count)
        #expect((view == nil) == (row == nil), "a view and a row disagree about \(bytes.hex)")
      }
      guard let row else { continue }
      accepted += 1
      #expect(row.encoded == bytes)
    }
    #expect(accepted > 100)
  }

  @Test func randomBytesNeverTrap() {
    var random = SeededRandom(announcedAs: "randomBytes")
    for round in 0..<20_000 {
      let count = Int.random(in: 0...120, using: &random)
      var bytes = (0..<count).map { _ in UInt8.random(in: 0...(round % 2 == 0 ? 255 : 20), using: &random) }
      if !bytes.isEmpty, round % 3 > 0 { bytes[0] = 0x10 | UInt8(round % 16) }
      if let row = try? Row(decoding: bytes) { #expect(row.encoded == bytes) }
      if !bytes.isEmpty { bytes[0] = 1 }
      if let entry = try? Entry(decoding: bytes) { _ = entry.outcome }
    }
  }

  /// Flags, and what they announce, of a row whose only fault is that it says what goes without saying.
  @Test(
    arguments: [
      (1, "default"), (2, "eth0"), (4, "\u{0}"), (8, " "), (256, "\u{0}"), (1_024, "revision"), (0, "")
    ] as [(UInt64, String)]) func whatIsUsualIsNotSpelledOut(flags: UInt64, said: String)
  {
    var out = ByteWriter()
    out.byte(AllocationView.tag)
    out.text("web")
    out.byte(4)
    out.bigEndian(0x0A00_0002, count: 4)
    out.varint(flags)
    out.text("vm-1")
    switch flags {
    case 1, 2: out.text(said)
    case 4, 8, 256: out.byte(said.utf8.first!)
    default: break
    }
    out.varint(8)
    out.varint(7)
    if flags == 1_024 { out.varint(7) }
    let bytes = out.bytes
    #expect(((try? Row(decoding: bytes)) == nil) == (flags != 0))
    #expect(((try? AllocationView(bytes, 0..<bytes.count)) == nil) == (flags != 0), "\(flags)")
  }

  @Test(arguments: [
    ("1503776562f9", "address family"), ("150004000000", "empty name"), ("1601", "short")
  ]) func whatCannotBeIsRefused(hex: String, why: String) {
    let digits = hex.utf8.map { $0 < 58 ? $0 - 48 : $0 - 87 }
    let bytes = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    #expect(throws: CodingFault.self, "\(why)") { try Row(decoding: bytes) }
  }
}

@Suite struct EntryCodingTests {
  @Test(arguments: Samples.entries) func anEntryIsReadAsItWasWritten(entry: Entry) throws {
    let read = try Entry(decoding: entry.encoded)
    #expect(read.encoded == entry.encoded)
    #expect(read.revision == entry.revision && read.kind == entry.kind && read.actor == entry.actor)
    #expect(read.requestID == entry.requestID && read.asked == entry.asked)
    #expect(read.effects.map(\.row) == entry.effects.map(\.row))
    #expect(read.effects.map(\.isPut) == entry.effects.map(\.isPut))
    #expect("\(read.outcome)" == "\(entry.outcome)")
  }

  @Test func version1IsPinned() {
    #expect(Samples.entries[0].encoded.hex == goldenEntries[0])
    #expect(Samples.entries[7].encoded.hex == goldenEntries[1])
    #expect(Samples.entries[8].encoded.hex == goldenEntries[2])
  }

  @Test(arguments: Samples.entries) func aCutOrForeignEntryIsRefused(entry: Entry) {
    let bytes = entry.encoded
    for end in 0..<bytes.count {
      #expect(throws: CodingFault.self, "cut at \(end)") { try Entry(decoding: Array(bytes[..<end])) }
    }
    #expect(throws: CodingFault.unknownVersion(2)) { try Entry(decoding: [2] + bytes.dropFirst()) }
    #expect(throws: CodingFault.self) { try Entry(decoding: bytes + [0]) }
  }

  @Test func damagedEntriesNeverTrap() {
    var random = SeededRandom(announcedAs: "damagedEntries")
    for round in 0..<20_000 {
      var bytes = Samples.entries[round % Samples.entries.count].encoded
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if let entry = try? Entry(decoding: bytes) { _ = entry.outcome }
    }
  }

  @Test func everyEntryAnswersWithItsGrants() {
    guard case .granted(let grants, true, let unchanged) = Samples.entries[7].outcome else {
      Issue.record("not granted")
      return
    }
    #expect(grants == Samples.grants)
    #expect(unchanged == ["hostname", "mac"])
  }
}

@Suite struct SubmissionTests {
  @Test func longTextsAreCutToTheirLimitInBytes() {
    // One grapheme of 2,001 bytes: counting characters would keep it all.
    let long = "e" + String(repeating: "\u{301}", count: 5_000)
    let submission = Submission(.suggest(.simple), actor: long, requestID: long, asked: long)
    #expect(submission.actor.utf8.count == Limits.actorBytes - 1)
    #expect(submission.requestID.utf8.count <= Limits.actorBytes)
    #expect(submission.asked.utf8.count <= Limits.askedBytes)
    #expect(submission.asked.utf8.suffix(3).elementsEqual("...".utf8))
  }
}
