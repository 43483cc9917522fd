// Tidy: tests about the repository itself.
//
// A rule that is only written down is kept until the first busy day. Each rule here is a function from files to
// complaints; one test gives it a planted offence (so every rule has been seen to bite) and one gives it the tree.
// What is not there yet is not complained about: a missing README breaks no rule, a README with a wrong command does.
//
// Exceptions live in Exceptions.swift, each with its reason; one that is no longer needed is itself a complaint.
import TestSupport
import Testing

/// One text file, split into lines.
struct TextFile {
  /// Relative to the root of the package.
  let path: String
  let lines: [String]
  /// The lines without comments and without the insides of string literals.
  let code: [String]

  init(_ path: String, _ text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    code = path.hasSuffix(".swift") ? withoutCommentsAndStrings(lines) : lines
  }

  /// `Ledger` for `Sources/Ledger/Pools/FreeSpace.swift`, `LedgerTests` for a file below `Tests/LedgerTests`.
  var room: String {
    let parts = path.split(separator: "/").map(String.init)
    return parts.count > 2 ? (parts[1] == "C" ? parts[2] : parts[1]) : ""
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isSource: Bool { isSwift && path.hasPrefix("Sources/") }
  var isMarkdown: Bool { path.hasSuffix(".md") }

  func complaint(_ index: Int, _ text: String) -> String { "\(path):\(index + 1): \(text)" }
}

/// The tree this test was built from.
enum Repository {
  static let root = String(#filePath.dropLast("/Tests/TidyTests/Repository.swift".count))

  /// All text files but what is built, stored or generated.
  static let files: [TextFile] = Files.all(below: root) {
    $0 == ".git" || $0.hasPrefix(".build") || $0 == "berth-data" || $0 == "vendor"
  }.compactMap { path in
    guard let bytes = Files.read("\(root)/\(path)"), !bytes.prefix(8_000).contains(0) else { return nil }
    return String(validating: bytes, as: UTF8.self).map { TextFile(path, $0) }
  }

  static func file(_ path: String) -> TextFile? { files.first { $0.path == path } }
}

/// Fails the running test with every complaint, each on its own line.
func expectNone(_ complaints: [String], _ location: SourceLocation = #_sourceLocation) {
  if !complaints.isEmpty {
    Issue.record("\(complaints.count) complaints:\n\(complaints.joined(separator: "\n"))", sourceLocation: location)
  }
}

/// Blanks comments and the insides of strings, so that rules about code do not read prose. Knows line comments, one-line
/// strings with escapes and multi-line strings, which is all that the repository uses.
private func withoutCommentsAndStrings(_ lines: [String]) -> [String] {
  var inMultiline = false
  return lines.map { line in
    var out = ""
    var inString = false
    var rest = Substring(line)
    while let character = rest.first {
      if rest.hasPrefix("\"\"\"") {
        inMultiline.toggle()
        rest = rest.dropFirst(3)
      } else if inMultiline {
        rest = rest.dropFirst()
      } else if inString, character == "\\" {
        rest = rest.dropFirst(2)
      } else if character == "\"" {
        inString.toggle()
        out.append(character)
        rest = rest.dropFirst()
      } else if inString {
        rest = rest.dropFirst()
      } else if rest.hasPrefix("//") {
        break
      } else {
        out.append(character)
        rest = rest.dropFirst()
      }
    }
    return out
  }
}
