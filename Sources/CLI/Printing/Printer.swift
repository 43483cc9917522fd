internal import Client
internal import Wire

/// The forms of a result.
enum OutputFormat: String, Sendable {
  case table, json, yaml, name
}

/// How one kind of object looks in a table.
struct Shape: Sendable {
  /// A column and the value it shows of an object.
  struct Field: Sendable {
    let column: TextTable.Column
    let cell: @Sendable (JSONValue) -> String

    /// Shows the first of `paths` that has a value; a path is keys joined by dots.
    init(_ title: String, _ paths: String..., isRight: Bool = false, isWhole: Bool = false) {
      column = TextTable.Column(title, isRight: isRight, isWhole: isWhole)
      cell = { object in paths.lazy.map { cellText(object.at($0)) }.first { !$0.isEmpty } ?? "" }
    }

    init(_ title: String, isRight: Bool = false, _ cell: @escaping @Sendable (JSONValue) -> String) {
      column = TextTable.Column(title, isRight: isRight)
      self.cell = cell
    }
  }

  let fields: [Field]
  /// The path of what `-o name` prints.
  let name: String
}

/// Puts answers on the standard output in the form that was asked for.
struct Printer: Sendable {
  let format: OutputFormat
  let io: CommandIO
  let style: Style

  init(_ format: OutputFormat, _ io: CommandIO, _ style: Style) {
    (self.format, self.io, self.style) = (format, io, style)
  }

  /// One object: a table shows its fields below one another.
  func show(_ answer: Answer, name: String) throws(Failure) {
    let value = try checked(answer)
    switch format {
    case .json: raw(answer)
    case .yaml: io.print(yaml(value))
    case .name: io.print(printable(cellText(value.at(name))) + "\n")
    case .table: details(value)
    }
  }

  /// The objects of an answer, each a row; an answer that is no list is its only object.
  func show(_ answer: Answer, _ shape: Shape, list: String) throws(Failure) {
    let value = try checked(answer)
    if format == .json { return raw(answer) }
    if format == .yaml {
      io.print(yaml(value))
      return
    }
    rows(value[list]?.elements ?? [value], shape)
  }

  /// All pages of a list; JSON of a single page is what the API said, of several the pages joined into one.
  func show(_ pages: Pages, _ shape: Shape, onlyOne: Bool) throws(Failure) {
    var pages = pages
    var items: [JSONValue] = []
    var all: [Answer] = []
    var rest: JSONValue = .null
    do throws(ClientFault) {
      while let page = try pages.next() {
        items += page.value["items"]?.elements ?? []
        rest = page.value["next_cursor"] ?? .null
        if all.count < 2 { all.append(page.answer) }
        if onlyOne { break }
      }
    } catch { throw Failure(error) }
    let whole = JSONValue.object([.init("items", .array(items)), .init("next_cursor", rest)])
    switch format {
    case .json: all.count == 1 ? raw(all[0]) : document(whole)
    case .yaml: io.print(yaml(whole))
    case .table, .name: rows(items, shape)
    }
    if let cursor = rest.string, format == .table { io.remark("there is more: --cursor \(printable(cursor))") }
  }

  /// The items of all pages.
  func items(_ pages: Pages) throws(Failure) -> [JSONValue] {
    var pages = pages
    var items: [JSONValue] = []
    do throws(ClientFault) {
      while let page = try pages.next() { items += page.value["items"]?.elements ?? [] }
    } catch { throw Failure(error) }
    return items
  }

  /// A document that was made here.
  func show(_ value: JSONValue, name: String = "name") {
    switch format {
    case .json: document(value)
    case .yaml: io.print(yaml(value))
    case .name: io.print(printable(cellText(value.at(name))) + "\n")
    case .table: details(value)
    }
  }

  func rows(_ objects: [JSONValue], _ shape: Shape) {
    guard format != .name else {
      io.print(objects.map { printable(cellText($0.at(shape.name))) + "\n" }.joined())
      return
    }
    var table = TextTable(shape.fields.map(\.column))
    for object in objects { table.add(shape.fields.map { $0.cell(object) }) }
    if objects.isEmpty, io.outputIsTerminal { return io.remark("(none)") }
    io.print(table.lines(width: io.width, style).map { $0 + "\n" }.joined())
    let leftOut = table.leftOut(width: io.width)
    if !leftOut.isEmpty { io.remark("no room for \(leftOut.joined(separator: ", ")): -o yaml shows everything") }
  }

  /// The fields of an object below one another, those of objects in it behind a dot.
  private func details(_ value: JSONValue) {
    var lines: [(name: String, value: String)] = []
    func add(_ value: JSONValue, _ path: String) {
      guard let members = value.members, !members.isEmpty, !path.hasSuffix("labels") else {
        lines.append((path, cellText(value)))
        return
      }
      for member in members { add(member.value, path.isEmpty ? member.key : "\(path).\(member.key)") }
    }
    add(value, "")
    let column = (lines.map { textWidth(printable($0.name)) }.max() ?? 0) + 2
    for line in lines where !line.value.isEmpty {
      let name = printable(line.name)
      let text = printable(line.value)
      let shown = io.width.map { shortened(text, to: max(TextTable.narrowest, $0 - column)) } ?? text
      io.print(style.bold(name) + String(repeating: " ", count: column - textWidth(name)) + shown + "\n")
    }
  }

  private func raw(_ answer: Answer) {
    _ = io.out(answer.bytes.last == UInt8(ascii: "\n") ? answer.bytes : answer.bytes + [UInt8(ascii: "\n")])
  }

  private func document(_ value: JSONValue) { _ = io.out(value.encoded() + [UInt8(ascii: "\n")]) }

  private func checked(_ answer: Answer) throws(Failure) -> JSONValue {
    do throws(ClientFault) { return try answer.value() } catch { throw Failure(error) }
  }
}

extension JSONValue {
  /// The value at keys joined by dots.
  func at(_ path: String) -> JSONValue {
    path.split(separator: ".").reduce(self) { value, key in value[String(key)] ?? .null }
  }
}

/// Text of several lines, such as a reason, in one.
private func inOneLine(_ text: String) -> String {
  if !text.utf8.contains(UInt8(ascii: "\n")) { return text }
  return text.split(separator: "\n").map { String($0.drop { $0 == " " }) }.joined(separator: "; ")
}

/// A value in one line; nothing for null and what is empty.
func cellText(_ value: JSONValue) -> String {
  switch value {
  case .null: ""
  case .bool(let flag): flag ? "yes" : "no"
  case .number(let text): text
  case .string(let text): inOneLine(text)
  case .array(let elements): elements.map(cellText).joined(separator: ",")
  case .object(let members): members.map { "\($0.key)=\(cellText($0.value))" }.joined(separator: ",")
  }
}
