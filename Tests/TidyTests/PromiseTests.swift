import TestSupport
import Testing

/// Documents in which every name in backticks that looks like a function is the name of a test.
let promiseDocuments: Set<String> = ["docs/STATUS.md", "docs/SPECIFICATION.md"]

/// The functions of the tests, and the scripts' among them.
func testNames(_ files: [TextFile]) -> Set<String> {
  Set(
    files.filter { $0.path.hasPrefix("Tests/") }.flatMap { file in
      file.lines.flatMap { line -> [String] in
        ["func ", "def "].compactMap { word in
          guard let found = line.firstRange(of: word) else { return nil }
          return String(line[found.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" })
        }
      }
    })
}

/// Names of tests that there is no test of.
func promiseComplaints(_ file: TextFile, tests: Set<String>) -> [String] {
  guard file.isMarkdown else { return [] }
  let isStrict = promiseDocuments.contains(file.path)
  return codeSpans(file).compactMap { index, text in
    guard let first = text.first, first.isLowercase, text.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else {
      return nil
    }
    let humps = text.filter(\.isUppercase).count
    // Elsewhere a word with few humps may be a field or a function.
    guard isStrict ? humps > 0 : humps > 3, !tests.contains(text) else { return nil }
    return file.complaint(index, "there is no test `\(text)`")
  }
}

/// Requirements that the status does not tell of, or tells of twice.
func statusComplaints(_ lines: [String]) -> [String] {
  let rows = lines.compactMap { line in
    line.hasPrefix("| S") ? String(line.dropFirst(2).prefix { $0 != " " && $0 != "|" }) : nil
  }.filter { $0.contains(".") }
  let counts = Dictionary(grouping: rows, by: \.self).mapValues(\.count)
  let wanted = [77, 40, 29, 75, 26].enumerated().flatMap { source, count in (1...count).map { "S\(source).\($0)" } }
  return wanted.filter { counts[$0] != 1 }.map { "\($0) stands there \(counts[$0] ?? 0) times" }
    + counts.keys.filter { !wanted.contains($0) }.sorted().map { "\($0) is no requirement" }
}

/// What stands between the quotes behind each `start`, wherever the line is broken.
func quoted(behind start: String, in files: [TextFile]) -> [String] {
  files.flatMap { file in
    file.lines.joined(separator: " ").split(separator: start, omittingEmptySubsequences: false).dropFirst().compactMap {
      let rest = $0.drop { $0 == " " }
      return rest.first == "\"" ? String(rest.dropFirst().prefix { $0 != "\"" }) : nil
    }
  }
}

/// The quoted words that follow a status behind `start`, wherever the line is broken.
func numberedCodes(behind start: String, in files: [TextFile]) -> [String] {
  files.flatMap { file in
    file.lines.joined(separator: " ").split(separator: start, omittingEmptySubsequences: false).dropFirst().compactMap {
      let parts = $0.prefix(160).split(separator: ",", maxSplits: 1)
      guard parts.count == 2, Int(parts[0].drop { $0 == " " }) != nil else { return nil }
      let rest = parts[1].drop { $0 == " " }
      return rest.first == "\"" ? String(rest.dropFirst().prefix { $0 != "\"" }) : nil
    }
  }
}

/// Routes in backticks that no route table has; `...` stands for anything.
func routeComplaints(_ file: TextFile, patterns: [String]) -> [String] {
  guard file.isMarkdown, !patterns.isEmpty else { return [] }
  return codeSpans(file).flatMap { index, text in
    text.split(whereSeparator: { " '\"(),;|".contains($0) }).compactMap { word -> String? in
      guard let start = word.firstRange(of: "/api/")?.lowerBound else { return nil }
      let path = word[start...].prefix { !"?`".contains($0) }
      let isKnown = patterns.contains { matches(path.split(separator: "/"), $0.split(separator: "/")) }
      return isKnown ? nil : file.complaint(index, "there is no route \(path)")
    }
  }
}

private func matches(_ path: [Substring], _ pattern: [Substring]) -> Bool {
  if path.last == "..." { return zip(path.dropLast(), pattern).allSatisfy(isSame) && path.count - 1 <= pattern.count }
  return path.count == pattern.count && zip(path, pattern).allSatisfy(isSame)
}

private func isSame(_ word: Substring, _ pattern: Substring) -> Bool { pattern.hasPrefix("{") || word == pattern }

/// `berth x y` in backticks or in a command block that the table of commands does not have.
func commandComplaints(_ file: TextFile, commands: Set<String>) -> [String] {
  guard file.isMarkdown, !commands.isEmpty else { return [] }
  let nouns = Set(commands.filter { $0.contains(" ") }.map { $0.prefix { $0 != " " } })
  return codeSpans(file).compactMap { index, text in
    let words = text.split(whereSeparator: { " $()".contains($0) })
    let isCommand = text.hasPrefix("berth ") || text.contains("$(berth ")
    guard isCommand, let place = words.firstIndex(of: "berth"), place + 1 < words.count,
      words[place + 1].allSatisfy({ $0.isLowercase || $0 == "-" }),
      words[place + 1].first != "-"
    else { return nil }
    let first = String(words[place + 1])
    if first == "help" { return nil }
    let isNoun = nouns.contains(Substring(first))
    guard isNoun, place + 2 < words.count, words[place + 2].first?.isLowercase == true else {
      return isNoun || commands.contains(first) ? nil : file.complaint(index, "there is no command `berth \(first)`")
    }
    let command = "\(first) \(words[place + 2].prefix { $0.isLowercase || $0 == "-" })"
    return commands.contains(command) ? nil : file.complaint(index, "there is no command `berth \(command)`")
  }
}

/// Codes of refusals that the guide does not explain.
func codeComplaints(_ guide: TextFile, codes: Set<String>) -> [String] {
  let told = Set(codeSpans(guide).map(\.text))
  return codes.subtracting(told).sorted().map { "\(guide.path) does not explain `\($0)`" }
}

@Suite struct PromiseTests {
  private let sources = Repository.files.filter(\.isSource)

  private func folder(_ path: String) -> [TextFile] { sources.filter { $0.path.hasPrefix(path) } }

  private var codes: Set<String> {
    let rejections = folder("Sources/Domain/Rejection.swift").flatMap { file in
      file.lines.filter { $0.contains("    case ") && $0.contains(" = \"") }.compactMap { line in
        line.split(separator: "\"").dropFirst().first.map(String.init)
      }
    }
    let border = folder("Sources/API/") + folder("Sources/APITypes/") + folder("Sources/HTTPServer/")
    return Set(rejections + ["Problem(", "self.init(", "Refusal("].flatMap { numberedCodes(behind: $0, in: border) })
  }

  @Test func everyTestNamedInTheDocumentsExists() {
    let tests = testNames(Repository.files)
    expectNone(Repository.files.flatMap { promiseComplaints($0, tests: tests) })
  }

  @Test func everyRequirementHasOneLineInTheStatus() {
    guard let status = Repository.file("docs/STATUS.md") else { return }
    expectNone(statusComplaints(status.lines))
  }

  @Test func everyRouteNamedInTheDocumentsExists() {
    let patterns = quoted(behind: "pattern:", in: folder("Sources/API/"))
    expectNone(Repository.files.flatMap { routeComplaints($0, patterns: patterns) })
  }

  @Test func everyCommandNamedInTheDocumentsExists() {
    let commands = Set(quoted(behind: "Command(", in: folder("Sources/CLI/")))
    expectNone(Repository.files.flatMap { commandComplaints($0, commands: commands) })
  }

  @Test func everyCodeIsExplained() {
    guard let guide = Repository.file("docs/guide-troubleshooting.md") else { return }
    #expect(codes.count > 25 && codes.contains("pool_exhausted"), "the sources are not understood: \(codes.sorted())")
    expectNone(codeComplaints(guide, codes: codes))
  }

  @Test func aTestThatIsNotThereIsSeen() {
    let tests = testNames([
      TextFile("Tests/A/X.swift", "  @Test func isThere() {}"), TextFile("Tests/x.py", "def it_is():")
    ])
    #expect(tests == ["isThere", "it_is"])
    let status = TextFile("docs/STATUS.md", "`isThere`, `isNotThere`, `word`, `Type`, `call()`")
    #expect(promiseComplaints(status, tests: tests).count == 1)
    #expect(promiseComplaints(TextFile("README.md", "`isNotThere` `thisIsNotThereAtAll`"), tests: tests).count == 1)
  }

  @Test func aMissingRequirementIsSeen() {
    #expect(statusComplaints(["| S0.1 | x |", "| S0.1 | x |", "| S9.1 | x |"]).count == 77 + 40 + 29 + 75 + 26 + 1)
  }

  @Test func aWrongRouteIsSeen() {
    let table = TextFile("Sources/API/X.swift", "a(pattern:\n \"/api/v1/pools/{pool}\")")
    let patterns = quoted(behind: "pattern:", in: [table])
    #expect(patterns == ["/api/v1/pools/{pool}"])
    let text = "`GET /api/v1/pools/edge?dry_run=true` `/api/v1/...` `/api/v1/pols/x` `/api/v1/pools`"
    #expect(routeComplaints(TextFile("a.md", text), patterns: patterns).count == 2)
  }

  @Test func aWrongCommandIsSeen() {
    let commands: Set = ["pool list", "serve"]
    let text =
      "`berth pool list`, `berth pool`, `berth serve -p 1`, `berth --help`, `berth pool lits`"
      + "\n```sh\nX=$(berth server)\nberth x\n```"
    #expect(commandComplaints(TextFile("a.md", text), commands: commands).count == 3)
  }
}
