import Testing

let linesMax = 500
let functionLinesMax = 70
/// The formatter keeps code at 120 columns; this is for prose, which it leaves alone.
let columnsMax = 160

/// Files and functions that nobody reads to the end, and lines that do not fit beside another.
func lengthComplaints(_ file: TextFile) -> [String] {
  guard file.isSwift else { return [] }
  var complaints: [String] = []
  if file.lines.count > linesMax, longFiles[file.path] == nil {
    complaints.append("\(file.path): \(file.lines.count) lines; cut it, or give a reason in Exceptions.swift")
  }
  guard file.isSource else { return complaints }
  for (index, line) in file.lines.enumerated() where line.count > columnsMax && !line.contains("://") {
    complaints.append(file.complaint(index, "\(line.count) columns, more than \(columnsMax)"))
  }
  for (key, start, count) in functionsOverLimit(file) where longFunctions[key] == nil {
    complaints.append(file.complaint(start, "a function of \(count) lines"))
  }
  return complaints
}

/// Functions that are too long, by the key of their exception.
private func functionsOverLimit(_ file: TextFile) -> [(key: String, start: Int, count: Int)] {
  guard file.isSource else { return [] }
  var found: [(key: String, start: Int, count: Int)] = []
  var open: [(start: Int, indent: String)] = []
  for (index, line) in file.code.enumerated() {
    let indent = String(line.prefix { $0 == " " })
    let words = line.split(whereSeparator: { " (<".contains($0) })
    if words.contains("func") || words.contains("init") || words.contains("init?"), !line.contains("}") {
      open.append((index, indent))
    }
    // The formatter puts the closing brace of a function under its first word.
    if line.hasPrefix(indent + "}"), let function = open.last(where: { $0.indent == indent }) {
      open.removeAll { $0.indent.count >= indent.count }
      let key = "\(file.path): \(file.lines[function.start].drop { $0 == " " })"
      let count = index - function.start + 1
      if count > functionLinesMax { found.append((key, function.start, count)) }
    }
  }
  return found
}

/// Exceptions without a reason, and those for what is not, or no more, too long.
func exceptionComplaints(
  files: [String: String], functions: [String: String], in tree: [TextFile]
) -> [String] {
  let longFiles = Set(tree.filter { $0.lines.count > linesMax }.map(\.path))
  let longFunctions = Set(tree.flatMap(functionsOverLimit).map(\.key))
  let needless = files.keys.filter { !longFiles.contains($0) } + functions.keys.filter { !longFunctions.contains($0) }
  let bare = files.merging(functions, uniquingKeysWith: { one, _ in one }).filter {
    $0.value.split(separator: " ").count < 4
  }
  return needless.sorted().map { "\($0) needs no exception any more" }
    + bare.keys.sorted().map { "the exception of \($0) has no reason" }
}

/// `package` declarations without a sentence above them.
func documentationComplaints(_ file: TextFile) -> [String] {
  guard file.isSource else { return [] }
  return file.code.indices.compactMap { index in
    let words = file.code[index].split(separator: " ")
    guard let place = words.firstIndex(of: "package"), place < 5, place + 1 < words.count, words[place + 1] != "import",
      words[..<place].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) })
    else { return nil }
    var above = index - 1
    while above >= 0 {
      let line = file.lines[above].drop { $0 == " " }
      // Attributes and remarks for the maintainer may stand between the sentence and the declaration.
      guard line.hasPrefix("@") || (line.hasPrefix("//") && !line.hasPrefix("///")) else { break }
      above -= 1
    }
    let isDocumented = above >= 0 && file.lines[above].drop { $0 == " " }.hasPrefix("///")
    return isDocumented ? nil : file.complaint(index, "undocumented: \(words.joined(separator: " "))")
  }
}

private let modifiers: Set<Substring> = [
  "final", "static", "override", "nonisolated", "convenience", "mutating", "consuming", "borrowing", "indirect", "lazy",
  "class", "nonmutating"
]

/// Promises to the compiler without a reason, and the lock that the thread sanitizer cannot see through.
func concurrencyComplaints(_ file: TextFile) -> [String] {
  guard file.isSwift else { return [] }
  return file.code.indices.flatMap { index -> [String] in
    var complaints: [String] = []
    let line = file.code[index]
    if line.contains("@unchecked") || line.contains("nonisolated(unsafe)"), !uncheckedRooms.contains(file.room),
      !file.path.hasPrefix("Tests/")
    {
      let remarks = file.lines[..<index].reversed().prefix { line in
        let text = line.drop { $0 == " " }
        return text.hasPrefix("//") || text.hasPrefix("@")
      }
      if !remarks.contains(where: { $0.contains("because") }) {
        complaints.append(file.complaint(index, "unchecked without 'Unchecked because ...' in the comment above"))
      }
    }
    if line.split(whereSeparator: { !$0.isLetter && $0 != "_" }).contains("Mutex") {
      complaints.append(file.complaint(index, "Mutex is banned; use Platform's Lock"))
    }
    return complaints
  }
}

/// Letting time pass instead of waiting for something.
func sleepComplaints(_ file: TextFile) -> [String] {
  guard file.isSwift, file.room != "TestSupport" else { return [] }
  return file.code.indices.compactMap { index in
    let words = file.code[index].split(whereSeparator: { !$0.isLetter && $0 != "_" && $0 != "(" })
    let sleeps = words.contains { $0.contains("sleep(") || $0.hasSuffix("sleep_for(") }
    return sleeps ? file.complaint(index, "sleeps; wait for a condition with eventually()") : nil
  }
}

/// Plans without an issue, names that say nothing, and words of the place where somebody happened to work.
func wordComplaints(_ file: TextFile) -> [String] {
  file.lines.indices.flatMap { index -> [String] in
    let line = file.lines[index]
    var complaints: [String] = []
    for mark in ["TO" + "DO", "FIX" + "ME"] {
      if let found = line.firstRange(of: mark), !line[found.upperBound...].hasPrefix("(#") {
        complaints.append(file.complaint(index, "\(mark) without an issue number (#12)"))
      }
    }
    for word in ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"] where line.contains(word) {
      complaints.append(file.complaint(index, "\(word) is a path of one machine"))
    }
    guard file.isSwift else { return complaints }
    let words = file.code[index].split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" })
    for (keyword, name) in zip(words, words.dropFirst())
    where ["struct", "class", "enum", "actor", "protocol"].contains(keyword)
      && ["Manager", "Helper", "Helpers", "Util", "Utils", "Service"].contains(where: {
        name.hasSuffix($0) && name != $0
      })
    {
      complaints.append(file.complaint(index, "\(name) does not say what it does"))
    }
    return complaints
  }
}

/// Rooms with code of which no file opens with an essay of five lines or more.
func essayComplaints(_ files: [TextFile]) -> [String] {
  let rooms = Dictionary(grouping: files.filter { $0.isSource && !$0.path.hasPrefix("Sources/C/") }, by: \.room)
  return rooms.sorted { $0.key < $1.key }.compactMap { room, files in
    // A placeholder has nothing to explain yet.
    let codeLines = files.flatMap(\.code).filter { $0.contains { $0 != " " } }.count
    if codeLines < 10 { return nil }
    let hasEssay = files.contains { file in
      file.lines.prefix { $0.hasPrefix("//") && !$0.hasPrefix("///") }.filter { $0.count > 3 }.count >= 5
    }
    return hasEssay ? nil : "Sources/\(room): no file opens with an essay (5 lines of //) on what the room is for"
  }
}

@Suite struct StyleTests {
  @Test func filesAndFunctionsAreShort() { expectNone(Repository.files.flatMap(lengthComplaints)) }
  @Test func everyPackageDeclarationIsDocumented() { expectNone(Repository.files.flatMap(documentationComplaints)) }
  @Test func uncheckedHasAReasonAndMutexIsAbsent() { expectNone(Repository.files.flatMap(concurrencyComplaints)) }
  @Test func nothingSleeps() { expectNone(Repository.files.flatMap(sleepComplaints)) }
  @Test func wordsAreOfTheProduct() { expectNone(Repository.files.flatMap(wordComplaints)) }
  @Test func everyRoomHasAnEssay() { expectNone(essayComplaints(Repository.files)) }

  @Test func exceptionsAreStillNeeded() {
    expectNone(exceptionComplaints(files: longFiles, functions: longFunctions, in: Repository.files))
  }

  @Test func needlessExceptionsAreSeen() {
    let body = String(repeating: "    x()\n", count: functionLinesMax)
    let tree = [
      TextFile("Sources/A/X.swift", "  func f() {\n\(body)  }\n  func g() {\n  }\n"),
      TextFile("Tests/A/Y.swift", String(repeating: "\n", count: linesMax))
    ]
    let reason = "it is one table"
    expectNone(
      exceptionComplaints(
        files: ["Tests/A/Y.swift": reason], functions: ["Sources/A/X.swift: func f() {": reason], in: tree))
    for (files, functions) in [
      (["Sources/A/X.swift": reason], [:]), (["Sources/A/Z.swift": reason], [:]), (["Tests/A/Y.swift": "long"], [:]),
      ([:], ["Sources/A/X.swift: func g() {": reason]), ([:], ["Sources/A/X.swift: func f() {": "it is long"])
    ] as [([String: String], [String: String])] {
      #expect(exceptionComplaints(files: files, functions: functions, in: tree).count == 1, "\(files) \(functions)")
    }
  }

  @Test func longThingsAreSeen() {
    let body = String(repeating: "    x()\n", count: functionLinesMax)
    #expect(lengthComplaints(TextFile("Sources/A/X.swift", "  func f() {\n\(body)  }\n")).count == 1)
    #expect(lengthComplaints(TextFile("Sources/A/X.swift", "  init?(a: Int) {\n\(body)  }\n")).count == 1)
    #expect(lengthComplaints(TextFile("Sources/A/X.swift", "  func f() {\n  }\n\(body)  }\n")).isEmpty)
    #expect(lengthComplaints(TextFile("Tests/A/X.swift", String(repeating: "\n", count: linesMax))).count == 1)
    #expect(lengthComplaints(TextFile("Sources/A/X.swift", String(repeating: "x", count: columnsMax + 1))).count == 1)
  }

  @Test func undocumentedDeclarationsAreSeen() {
    let bad = [
      "package struct A {}", "  package init() {}", "  package static let a = 1", "@safe package final class B {}",
      "  package fileprivate(set) var c = 0", "// A remark.\npackage func f() {}", "  final package func g() {}"
    ]
    for text in bad { #expect(documentationComplaints(TextFile("Sources/A/X.swift", text)).count == 1, "\(text)") }
    let good = [
      "/// One.\npackage struct A {}", "/// One.\n@safe\n// Why.\npackage func f() {}", "package import B",
      "let package = 1",
      "// package struct A {}", "x(\"package struct A\")"
    ]
    for text in good { #expect(documentationComplaints(TextFile("Sources/A/X.swift", text)).isEmpty, "\(text)") }
  }

  @Test func promisesWithoutReasonAreSeen() {
    let bare = "/// Doc.\nfinal class A: @unchecked Sendable {}"
    #expect(concurrencyComplaints(TextFile("Sources/Engine/X.swift", bare)).count == 1)
    #expect(concurrencyComplaints(TextFile("Sources/Engine/X.swift", "nonisolated(unsafe) var a = 1")).count == 1)
    #expect(concurrencyComplaints(TextFile("Sources/Platform/X.swift", bare)).isEmpty)
    #expect(
      concurrencyComplaints(
        TextFile("Sources/Engine/X.swift", "/// Unchecked because one owns it.\n@safe\n" + bare.dropFirst(9))
      ).isEmpty)
    #expect(concurrencyComplaints(TextFile("Tests/A/X.swift", "let a = Mutex(1)")).count == 1)
    #expect(concurrencyComplaints(TextFile("Tests/A/X.swift", "// Mutex\nlet mutex = \"Mutex\"")).isEmpty)
  }

  @Test func sleepingIsSeen() {
    for text in ["usleep(3)", "try await Task.sleep(for: .seconds(1))", "nanosleep(&t, nil)", "x; sleep(1)"] {
      #expect(sleepComplaints(TextFile("Tests/A/X.swift", text)).count == 1, "\(text)")
    }
    #expect(sleepComplaints(TextFile("Tests/A/X.swift", "run(\"sleep(1)\") // sleep(1)\nlet sleep = 1")).isEmpty)
  }

  @Test func wrongWordsAreSeen() {
    let bad = [
      "// TO" + "DO: later", "// FIX" + "ME(me)", "see /wo" + "rk/x", "class LeaseManager {}", "enum StringUtils {}"
    ]
    for text in bad { #expect(wordComplaints(TextFile("Sources/A/X.swift", text)).count == 1, "\(text)") }
    #expect(wordComplaints(TextFile("docs/a.md", "TO" + "DO(#12): a")).isEmpty)
  }

  @Test func aRoomWithoutAnEssayIsSeen() {
    let code = String(repeating: "let a = 1\n", count: 10)
    let essay = String(repeating: "// A sentence.\n", count: 5)
    #expect(essayComplaints([TextFile("Sources/A/A.swift", code)]).count == 1)
    #expect(essayComplaints([TextFile("Sources/A/A.swift", essay.dropFirst(16) + code)]).count == 1)
    #expect(essayComplaints([TextFile("Sources/A/A.swift", code), TextFile("Sources/A/B.swift", essay)]).isEmpty)
    #expect(essayComplaints([TextFile("Sources/A/A.swift", "// A")]).isEmpty)
  }
}
