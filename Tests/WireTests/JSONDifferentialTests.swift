import TestSupport
import Testing
import Wire

/// Python's reader, made as strict as ours, tells for each line of hexadecimal what the document means, spelled the
/// way our writer spells it, or `-`.
private let oracle = #"""
  import json, sys

  class Number(str): pass
  class Pairs(list): pass
  class Bad(Exception): pass

  def refuse(_): raise Bad()

  def pairs(items):
      if len({key for key, _ in items}) != len(items): raise Bad()
      return Pairs(items)

  def quoted(text):
      out = '"'
      for c in text:
          if c in '"\\': out += '\\' + c
          elif c == '\n': out += '\\n'
          elif c == '\r': out += '\\r'
          elif c == '\t': out += '\\t'
          elif ord(c) < 32: out += '\\u%04x' % ord(c)
          else: out += c
      return out + '"'

  def written(value):
      if value is None: return 'null'
      if value is True: return 'true'
      if value is False: return 'false'
      if isinstance(value, Number): return str(value)
      if isinstance(value, str): return quoted(value)
      if isinstance(value, Pairs): return '{' + ','.join(quoted(k) + ':' + written(v) for k, v in value) + '}'
      return '[' + ','.join(written(v) for v in value) + ']'

  for line in sys.stdin:
      try:
          text = bytes.fromhex(line).decode('utf-8')
          value = json.loads(
              text, object_pairs_hook=pairs, parse_int=Number, parse_float=Number, parse_constant=refuse)
          print('+' + written(value).encode('utf-8').hex())
      except (Bad, ValueError):
          print('-')
  """#

private func hex(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}

@Suite struct JSONDifferentialTests {
  static let hasPython = (try? ChildProcess.run("python3", ["-c", "import json"]))?.status == .exited(0)

  @Test(.enabled(if: hasPython, "python3 is missing"))
  func pythonReadsTheSameDocumentsTheSameWay() throws {
    var source = JSONRandom(random: SeededRandom(announcedAs: "pythonReadsTheSameDocumentsTheSameWay"))
    var documents = JSONSyntaxTests.accepted.map { Array($0.0.utf8) } + JSONSyntaxTests.refused.map { Array($0.0.utf8) }
    for _ in 0..<2_000 {
      let value = source.value()
      let text = Array(source.text(of: value).utf8)
      documents += [text, source.damaged(text)]
    }
    let input = documents.map { hex($0) + "\n" }.joined()
    let run = try ChildProcess.run("python3", ["-c", oracle], input: Array(input.utf8))
    #expect(run.status == .exited(0), "\(run.errors)")
    let answers = run.output.split(separator: "\n").map(String.init)
    try #require(answers.count == documents.count)
    for (document, answer) in zip(documents, answers) {
      let ours = (try? parse(document).get()).map { "+" + hex($0.encoded()) } ?? "-"
      #expect(ours == answer, "\(String(decoding: document, as: UTF8.self))")
    }
    let refused = answers.count { $0 == "-" }
    #expect(refused > 500 && refused < documents.count - 2_000, "\(refused) refused of \(documents.count)")
  }
}
