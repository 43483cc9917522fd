import Glibc
import Platform
import TestSupport
import Testing

@Suite struct FileTests {
  private let path = "/tmp/berth-file-\(ThisProcess.id)-\(Entropy.uint64())"

  @Test func whatIsWrittenIsReadBackAndAFileEndsWhereItEnds() throws {
    let file = try File(path, .create)
    defer { try? FileSystem.remove(path) }
    try file.write([1, 2, 3], at: 0)
    try file.write([9], at: 5)
    #expect(try file.read(at: 0, count: 100) == [1, 2, 3, 0, 0, 9])
    #expect(try file.read(at: 6, count: 10) == [])
    try file.truncate(to: 2)
    #expect(try file.size() == 2)
    try file.dropCache()
    #expect(try File(path, .read).read(at: 0, count: 2) == [1, 2])
  }

  @Test func aFaultNamesTheFileAndTheReason() throws {
    let fault = #expect(throws: FileFault.self) { try File(path, .read) }
    #expect(fault?.description == "cannot open \(path): No such file or directory")
    #expect(fault?.isAbsent == true)
  }

  @Test func aLockIsSeenByOtherOpeningsAndGivenBack() throws {
    let first = try File(path, .create)
    defer { try? FileSystem.remove(path) }
    let second = try File(path, .readWrite)
    #expect(try first.tryLock() && !second.tryLock())
    #expect(try second.isLockedElsewhere() && !first.isLockedElsewhere())
    try first.unlock()
    #expect(try second.tryLock() && first.isLockedElsewhere())
  }

  @Test func directoriesAreMadeWithTheirParentsAndListedInOrder() throws {
    try FileSystem.makeDirectory(path + "/a/b")
    try FileSystem.makeDirectory(path + "/a/b")
    _ = try File(path + "/a/z", .create)
    #expect(try FileSystem.list(path + "/a") == ["b", "z"])
    #expect(try FileSystem.kind(of: path + "/a/b") == .directory)
    #expect(try FileSystem.kind(of: path + "/a/z") == .other)
    try FileSystem.rename(path + "/a/z", to: path + "/a/y")
    #expect(try FileSystem.kind(of: path + "/a/z") == .absent)
    try FileSystem.remove(path + "/a/y")
    try FileSystem.remove(path + "/a/y")
    for name in ["/a/b", "/a", ""] { try FileSystem.removeDirectory(path + name) }
  }

  @Test func aScratchDirectoryHasANameOfItsOwnAndGoesWithAllInIt() throws {
    let place = TemporaryDirectory()
    let paths = try (0..<2).map { _ in
      try ScratchDirectory.with("work", in: place.path) { path in
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700)
        try FileSystem.makeDirectory(path + "/deep/er")
        _ = try File(path + "/deep/file", .createNew)
        return path
      }
    }
    #expect(paths[0] != paths[1] && !paths[0].contains("\(ThisProcess.id)"))
    #expect(try FileSystem.list(place.path).isEmpty)
  }

  @Test func aScratchDirectoryIsNeverOneThatIsThere() throws {
    let place = TemporaryDirectory()
    for name in ["directory", "link"] {
      let planted = place.file(name)
      if name == "link" { symlink("/nowhere", planted) } else { mkdir(planted, 0o777) }
      let fault = #expect(throws: FileFault.self) { try ScratchDirectory.make(planted) }
      #expect(fault?.description == "cannot make directory \(planted): File exists")
    }
  }

  /// A local user's link in it must not cost the operator what it leads to.
  @Test func removingATreeRemovesLinksAndKeepsWhatTheyLeadTo() throws {
    let (place, mine) = (TemporaryDirectory(), TemporaryDirectory())
    _ = try File(mine.file("log.db"), .createNew)
    let tree = place.file("tree")
    try FileSystem.makeDirectory(tree)
    symlink(mine.path, tree + "/x")
    symlink(mine.file("log.db"), tree + "/y")
    symlink("/nowhere", tree + "/z")
    try ScratchDirectory.removeTree(tree)
    #expect(try FileSystem.list(place.path).isEmpty)
    #expect(try FileSystem.list(mine.path) == ["log.db"])
    symlink(mine.path, tree)
    try ScratchDirectory.removeTree(tree)
    #expect(try FileSystem.list(place.path).isEmpty && FileSystem.list(mine.path) == ["log.db"])
  }

  @Test(arguments: [0, 1, 1000, 1 << 20]) func compressionGivesBackWhatItTook(size: Int) {
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) }
    let frame = Zstd.compress(bytes)
    #expect(Zstd.decompress(frame, size: size) == bytes)
    #expect(Zstd.decompress(frame, size: size + 1) == nil)
    #expect(size < 1000 || Zstd.decompress(frame, size: size - 1) == nil)
    #expect(Zstd.decompress(Array(frame.dropLast()), size: size) == nil)
  }
}
