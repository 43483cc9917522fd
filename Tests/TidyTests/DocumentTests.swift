import TestSupport
import Testing

/// What stands in backticks or in a fenced block, with its line.
func codeSpans(_ file: TextFile) -> [(index: Int, text: String)] {
  var isFenced = false
  return file.lines.enumerated().flatMap { index, line -> [(index: Int, text: String)] in
    if line.drop(while: { $0 == " " }).hasPrefix("```") {
      isFenced.toggle()
      return []
    }
    if isFenced { return [(index, line)] }
    let pieces = line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
    return pieces.filter { $0.offset % 2 == 1 }.map { (index, String($0.element)) }
  }
}

/// `make x` for which the Makefile has no rule.
func makeComplaints(_ file: TextFile, targets: Set<String>) -> [String] {
  guard file.isMarkdown else { return [] }
  return codeSpans(file).flatMap { index, text in
    let words = text.prefix { $0 != "#" }.split(whereSeparator: { " ;&|()$".contains($0) }).map(String.init)
    // Only where `make` is a command: first in the span, or behind an operator that was split away.
    guard words.first == "make" || text.contains("&& make ") else { return [String]() }
    return zip(words, words.dropFirst()).compactMap { command, target in
      guard command == "make", target.first?.isLetter == true, !target.contains("="), !targets.contains(target) else {
        return nil
      }
      return file.complaint(index, "`make \(target)` is not in the Makefile")
    }
  }
}

/// The names that the Makefile has rules for.
func makeTargets(_ text: String) -> Set<String> {
  Set(
    text.split(separator: "\n").flatMap { line -> [String] in
      guard let colon = line.firstIndex(of: ":"), line.first?.isLetter == true, !line[colon...].hasPrefix(":=") else {
        return []
      }
      return line[..<colon].split(separator: " ").map(String.init)
    })
}

/// Files of the repository that a document names and that are not there.
func namedFileComplaints(_ file: TextFile, exists: (String) -> Bool) -> [String] {
  guard file.isMarkdown else { return [] }
  return codeSpans(file).compactMap { index, text in
    let isPath = text.allSatisfy { $0.isLetter || $0.isNumber || "._-/".contains($0) }
    let folders = ["Sources/", "Tests/", "docs/", "Fuzz/", "Benchmarks/"]
    guard isPath, !text.contains("NNNN"), text.hasSuffix(".md") || folders.contains(where: text.hasPrefix) else {
      return nil
    }
    let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
    let found = exists(text) || exists(folder.isEmpty ? text : "\(folder)/\(text)")
    return found ? nil : file.complaint(index, "`\(text)` does not exist")
  }
}

/// Relative links to files or headings that are not there.
func linkComplaints(_ file: TextFile, read: (String) -> TextFile?, exists: (String) -> Bool) -> [String] {
  guard file.isMarkdown else { return [] }
  var isFenced = false
  return file.lines.enumerated().flatMap { index, line -> [String] in
    if line.hasPrefix("```") { isFenced.toggle() }
    if isFenced { return [] }
    return line.split(separator: "](", omittingEmptySubsequences: false).dropFirst().compactMap { piece in
      let target = piece.prefix { $0 != ")" && $0 != " " }
      guard !target.contains("://"), !target.hasPrefix("mailto:") else { return nil }
      let parts = target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let path = parts[0].isEmpty ? file.path : resolved(parts[0], from: file.path)
      guard exists(path) else { return file.complaint(index, "link to \(target), which does not exist") }
      guard parts.count > 1, let other = parts[0].isEmpty ? file : read(path), other.isMarkdown else { return nil }
      return headings(other).contains(parts[1]) ? nil : file.complaint(index, "link to \(target): no such heading")
    }
  }
}

private func resolved(_ target: String, from path: String) -> String {
  var parts = target.hasPrefix("/") ? [] : path.split(separator: "/").dropLast().map(String.init)
  for part in target.split(separator: "/").map(String.init) {
    switch part {
    case ".": continue
    case "..": _ = parts.popLast()
    default: parts.append(part)
    }
  }
  return parts.joined(separator: "/")
}

/// The anchors of a document, as forges make them from its headings.
private func headings(_ file: TextFile) -> Set<String> {
  Set(
    file.lines.filter { $0.hasPrefix("#") }.map { line in
      String(
        line.drop { $0 == "#" || $0 == " " }.lowercased().compactMap { character -> Character? in
          if character == " " { return "-" }
          return character.isLetter || character.isNumber || "-_".contains(character) ? character : nil
        })
    })
}

@Suite struct DocumentTests {
  private let targets = makeTargets(Repository.file("Makefile")?.lines.joined(separator: "\n") ?? "")

  @Test func everyMakeCommandInTheDocumentsExists() {
    expectNone(Repository.files.flatMap { makeComplaints($0, targets: targets) })
  }

  @Test func everyFileNamedInTheDocumentsExists() {
    expectNone(Repository.files.flatMap { namedFileComplaints($0) { Files.exists("\(Repository.root)/\($0)") } })
  }

  @Test func everyRelativeLinkResolves() {
    expectNone(
      Repository.files.flatMap {
        linkComplaints($0, read: Repository.file) { Files.exists("\(Repository.root)/\($0)") }
      })
  }

  @Test func theMakefileIsUnderstood() {
    #expect(targets.isSuperset(of: ["deps", "build", "run", "test", "check", "fmt"]))
    #expect(!targets.contains("SHELL") && !targets.contains("PACKAGES") && !targets.contains(".PHONY"))
    #expect(makeTargets("a b: c\n\tx: y\nV := 1\n.PHONY: z\n") == ["a", "b"])
  }

  @Test func aWrongMakeCommandIsSeen() {
    let readme = TextFile(
      "README.md", "`make tset`\n\n```\nmake run # make nothing\n$ make all-of-it\n```\nmake sense, `make`\n")
    #expect(
      makeComplaints(readme, targets: ["run", "test"]) == [
        "README.md:1: `make tset` is not in the Makefile", "README.md:5: `make all-of-it` is not in the Makefile"
      ])
    #expect(
      makeComplaints(TextFile("README.md", "`cd x && make foo`, `make run test`"), targets: ["run", "test"]).count == 1)
  }

  @Test func aMissingDocumentIsSeen() {
    let text =
      "`STYLE.md`, `docs/x.md`, `docs/adding-*.md`, `Sources/Gone/`, `berth.toml`, `docs/decisions/NNNN-title.md`"
    #expect(namedFileComplaints(TextFile("README.md", text)) { $0 == "STYLE.md" }.count == 2)
    #expect(namedFileComplaints(TextFile("docs/a.md", "`b.md`")) { $0 == "docs/b.md" }.isEmpty)
  }

  @Test func aBrokenLinkIsSeen() {
    let file = TextFile(
      "docs/a.md",
      "# One & Two\n[x](b.md) [x](../README.md) [x](#one--two) [x](https://e.org/z.md)\n[x](c.md) [x](#three)\n")
    let complaints = linkComplaints(file, read: { _ in nil }) { ["docs/b.md", "README.md", "docs/a.md"].contains($0) }
    #expect(
      complaints == [
        "docs/a.md:3: link to c.md, which does not exist", "docs/a.md:3: link to #three: no such heading"
      ])
  }
}
