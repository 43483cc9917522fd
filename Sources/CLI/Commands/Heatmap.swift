internal import Client
internal import Wire

/// How full one block of a pool is.
struct BlockUsage: Hashable, Sendable {
  let block: String
  let used: Double
  let usable: Double

  /// From 0, empty, to 1, full.
  var share: Double { usable > 0 ? min(1, used / usable) : 1 }
}

/// Draws blocks: a bar each when they are few, a picture of one character each when they are many.
struct Heatmap {
  static let barsMax = 16
  private static let eighths = Array("▁▂▃▄▅▆▇█")

  let blocks: [BlockUsage]
  let width: Int
  let style: Style

  var lines: [String] { blocks.count <= Self.barsMax ? bars : picture }

  private var bars: [String] {
    let label = blocks.map { textWidth($0.block) }.max() ?? 0
    let room = max(4, min(40, width - label - 22))
    return blocks.map { usage in
      let filled = usage.used > 0 ? max(1, Int(usage.share * Double(room))) : 0
      let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: room - filled)
      let numbers = "\(Int(usage.used)) of \(Int(usage.usable))"
      return usage.block + String(repeating: " ", count: label - textWidth(usage.block) + 2) + paint(bar, usage.share)
        + "  " + numbers
    }
  }

  private var picture: [String] {
    let label = blocks.map { textWidth($0.block) }.max() ?? 0
    // Powers of two, so that a column always means the same part of an address.
    var perLine = 64
    while perLine > 8, label + 2 + perLine > width { perLine /= 2 }
    var lines: [String] = []
    for start in stride(from: 0, to: blocks.count, by: perLine) {
      let row = blocks[start..<min(start + perLine, blocks.count)]
      let first = blocks[start].block
      lines.append(
        first + String(repeating: " ", count: label - textWidth(first) + 2)
          + row.map { paint(String(mark($0)), $0.share) }.joined())
    }
    return lines + ["· empty  ▁▂▃▄▅▆▇ in use  █ full"]
  }

  /// Empty and full are said only of what is exactly so.
  private func mark(_ usage: BlockUsage) -> Character {
    if usage.used <= 0 { return "·" }
    return usage.share >= 1 ? "█" : Self.eighths[min(6, Int(usage.share * 7))]
  }

  private func paint(_ text: String, _ share: Double) -> String {
    share >= 0.9 ? style.red(text) : share >= 0.7 ? style.yellow(text) : style.green(text)
  }
}

extension Heatmap {
  /// Reads the items of `usage`.
  static func blocks(_ items: [JSONValue]) -> [BlockUsage] {
    items.map { item in
      func number(_ key: String) -> Double { item[key]?.numberText.flatMap { Double($0) } ?? 0 }
      return BlockUsage(block: cellText(item.at("block")), used: number("allocated"), usable: number("usable"))
    }
  }
}

func drawHeatmap(_ run: Invocation) throws(Failure) -> ExitCode {
  let call = run.call(.get, "pools", run.needed(0), "usage").asking("limit", "4096")
  let pages = Pages(run.connect(), call)
  guard run.printer.format == .table else {
    try run.printer.show(pages, .usage, onlyOne: false)
    return .ok
  }
  let map = Heatmap(
    blocks: Heatmap.blocks(try run.printer.items(pages)), width: run.io.width ?? 100, style: run.printer.style)
  run.io.print(map.lines.map { $0 + "\n" }.joined())
  return .ok
}
