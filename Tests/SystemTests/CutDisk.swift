import Foundation
import Glibc
import TestSupport

/// A disk as a power cut may leave it: all that was flushed, and of the rest what chance keeps.
///
/// Nothing is taken as lasting that POSIX does not promise: bytes and length of a file last once the file was flushed,
/// a name once its directory was. Of what was not flushed any sector may be there and its neighbour not, whatever the
/// order in which they were written; a rename happens whole or not at all.
struct CutDisk {
  private enum Change {
    case bytes(at: Int, ArraySlice<UInt8>)
    case length(Int)
  }

  private struct Content {
    var bytes: [UInt8] = []
    var waiting: [Change] = []
  }

  /// Nil stands for a directory, a number for a content.
  private typealias Node = Int?

  private struct NameChange {
    var removed: String?
    var put: (name: String, node: Node)?
    var directories: Set<String> {
      Set([removed, put?.name].compactMap { $0 }.map(CutDisk.parent))
    }
  }

  private var contents: [Content] = []
  /// Which content a file of the running process is, by the system's number.
  private var numbers: [UInt64: Int] = [:]
  /// What the process sees, and what lasts.
  private var seen: [String: Node] = [:]
  private var lasting: [String: Node] = [:]
  private var waiting: [NameChange] = []

  /// What is below `directory`, all of it lasting.
  init(_ directory: String) {
    func walk(_ path: String) {
      for name in Files.names(in: "\(directory)/\(path)") where !name.hasSuffix("-shm") {
        let inner = path.isEmpty ? name : "\(path)/\(name)"
        if Files.isDirectory("\(directory)/\(inner)") {
          seen[inner] = .some(nil)
          walk(inner)
          continue
        }
        var status = stat()
        precondition(stat("\(directory)/\(inner)", &status) == 0, "cannot look at \(inner)")
        seen[inner] = contents.count
        numbers[UInt64(status.st_ino)] = contents.count
        contents.append(Content(bytes: Files.read("\(directory)/\(inner)") ?? []))
      }
    }
    walk("")
    lasting = seen
  }

  private static func parent(_ path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
  }

  /// Does what a record of the journal says.
  mutating func apply(_ record: DiskJournal.Record) {
    switch record.what {
    case "C":
      numbers[record.number] = contents.count
      name(record.path, contents.count)
      contents.append(Content())
    case "M": name(record.path, nil)
    case "R":
      let names = record.path.split(separator: "\0").map(String.init)
      guard let node = seen.removeValue(forKey: names[0]) else { return }
      seen[names[1]] = node
      waiting.append(NameChange(removed: names[0], put: (names[1], node)))
    case "U", "D":
      seen[record.path] = nil
      waiting.append(NameChange(removed: record.path))
    case "Y": flushNames(of: record.path)
    default: change(record)
    }
  }

  private mutating func change(_ record: DiskJournal.Record) {
    guard let number = numbers[record.number] else { return }
    switch record.what {
    case "W": contents[number].waiting.append(.bytes(at: record.offset, record.bytes))
    case "T": contents[number].waiting.append(.length(record.offset))
    case "O": contents[number].waiting.append(.length(0))
    case "S":
      for change in contents[number].waiting { CutDisk.keep(change, in: &contents[number].bytes) }
      contents[number].waiting = []
    default: preconditionFailure("a record of kind \(record.what)")
    }
  }

  private mutating func name(_ path: String, _ node: Node) {
    seen[path] = .some(node)
    waiting.append(NameChange(put: (path, node)))
  }

  private mutating func flushNames(of directory: String) {
    for change in waiting where change.directories.contains(directory) { CutDisk.keep(change, in: &lasting) }
    waiting.removeAll { $0.directories.contains(directory) }
  }

  private static func keep(_ change: NameChange, in names: inout [String: Node]) {
    if let removed = change.removed { names[removed] = nil }
    if let put = change.put { names[put.name] = .some(put.node) }
  }

  private static func keep(_ change: Change, in bytes: inout [UInt8]) {
    switch change {
    case .length(let length):
      if length < bytes.count { bytes.removeLast(bytes.count - length) } else { extend(&bytes, to: length) }
    case .bytes(let offset, let new):
      extend(&bytes, to: offset + new.count)
      bytes.withUnsafeMutableBytes { target in
        new.withUnsafeBytes {
          target.baseAddress!.advanced(by: offset).copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
      }
    }
  }

  private static func extend(_ bytes: inout [UInt8], to length: Int) {
    if length > bytes.count { bytes += [UInt8](repeating: 0, count: length - bytes.count) }
  }

  /// What chance keeps of that which was not flushed.
  struct Chance {
    let sector: Int
    /// Out of 8, how many sectors and names last.
    let kept: Int
    /// Names last in the order in which they were made, up to some moment: what a journaling file system does.
    let namesInOrder: Bool

    /// Nothing of it.
    static let nothing = Chance(sector: 512, kept: 0, namesInOrder: false)

    private init(sector: Int, kept: Int, namesInOrder: Bool) {
      (self.sector, self.kept, self.namesInOrder) = (sector, kept, namesInOrder)
    }

    init(_ random: inout SeededRandom) {
      sector = random.pick([512, 4096])
      kept = random.pick([0, 1, 4, 4, 7, 8])
      namesInOrder = random.oneIn(2)
    }
  }

  /// Writes the disk as the cut leaves it below `target`; returns how many changes had not been flushed.
  @discardableResult
  func cut(to target: String, _ chance: Chance, _ random: inout SeededRandom) -> Int {
    func lasts() -> Bool { Int.random(in: 0..<8, using: &random) < chance.kept }
    var names = lasting
    let until = Int.random(in: 0...waiting.count, using: &random)
    for (index, change) in waiting.enumerated() where chance.namesInOrder ? index < until : lasts() {
      CutDisk.keep(change, in: &names)
    }
    FileSystemTree.makeDirectory(target)
    var changes = waiting.count
    // Parents before what is in them; what has lost its directory is lost.
    for (name, node) in names.sorted(by: { $0.key < $1.key })
    where Files.isDirectory("\(target)/\(CutDisk.parent(name))") {
      guard let number = node else {
        FileSystemTree.makeDirectory("\(target)/\(name)")
        continue
      }
      var bytes = contents[number].bytes
      changes += contents[number].waiting.count
      for change in contents[number].waiting {
        guard case .bytes(let offset, let new) = change else {
          if lasts() { CutDisk.keep(change, in: &bytes) }
          continue
        }
        // A file may have grown although what it grew by was never written.
        if lasts() { CutDisk.extend(&bytes, to: offset + new.count) }
        var at = new.startIndex
        while at < new.endIndex {
          let position = offset + at - new.startIndex
          let end = min(at + chance.sector - position % chance.sector, new.endIndex)
          if lasts() { CutDisk.keep(.bytes(at: position, new[at..<end]), in: &bytes) }
          at = end
        }
      }
      Files.write(bytes, to: "\(target)/\(name)")
    }
    return changes
  }
}

/// What the shim wrote down of a process and its disk; faultshim.c has the format.
struct DiskJournal {
  struct Record {
    let what: Character
    let path: String
    let number: UInt64
    let offset: Int
    let bytes: ArraySlice<UInt8>
    /// The length of the journal with this record.
    let end: Int
  }

  let records: [Record]

  init(records: [Record]) { self.records = records }

  init(_ bytes: [UInt8]) {
    var records: [Record] = []
    var at = 0
    func word(_ offset: Int, _ length: Int) -> UInt64 {
      bytes[offset..<offset + length].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    while at + 32 <= bytes.count {
      let (pathLength, length) = (Int(word(at + 4, 4)), Int(word(at + 8, 8)))
      let (path, end) = (at + 32, at + 32 + pathLength + length)
      guard end <= bytes.count else { break }
      records.append(
        Record(
          what: Character(UnicodeScalar(bytes[at])),
          path: String(decoding: bytes[path..<path + pathLength], as: UTF8.self),
          number: word(at + 16, 8), offset: Int(word(at + 24, 8)), bytes: bytes[path + pathLength..<end], end: end))
      at = end
    }
    self.records = records
  }

  /// How long a journal is by now.
  static func length(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }
}
