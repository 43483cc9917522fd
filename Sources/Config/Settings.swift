/// Where a value came from.
package enum Origin: Hashable, Sendable {
  /// The flag, as `--port`.
  case flag(String)
  /// The variable, as `BERTH_PORT`.
  case environment(String)
  /// The file's name and line.
  case file(String, line: Int)
  /// Nobody said anything.
  case fallback
}

extension Origin: CustomStringConvertible {
  /// As `config show --origin` prints it.
  package var description: String {
    switch self {
    case .flag(let name): "flag \(name)"
    case .environment(let name): "environment \(name)"
    case .file(let name, let line): "\(name):\(line)"
    case .fallback: "default"
    }
  }
}

/// The settings that exist.
package struct SettingTable: Sendable {
  /// In the order of the help text.
  package let settings: [Setting]
  fileprivate let byKey: [String: Setting]

  /// Takes settings whose keys, flags and letters are distinct.
  package init(_ settings: [Setting]) {
    self.settings = settings
    byKey = Dictionary(settings.map { ($0.key, $0) }) { _, twice in preconditionFailure("setting \(twice.key) twice") }
    // Traps when two keys make the same flag.
    _ = FlagTable(settings.map(\.flag))
  }

  /// The flags of all settings, for a command that has further flags too.
  package var flags: [Flag] { settings.map(\.flag) }

  /// A file's name and text.
  package struct File: Sendable {
    let name: String
    let text: String

    /// Names a text.
    package init(name: String, text: String) {
      self.name = name
      self.text = text
    }
  }

  /// Decides each setting by flag, then environment, then file, then default. Variables that start with `BERTH_` and
  /// name no setting are reported in `unknownVariables`, because other commands have some of their own.
  package func resolve(
    _ arguments: Arguments, environment: [String: String], file: File? = nil
  ) throws(ConfigFaults) -> Settings {
    var faults: [ConfigFault] = []
    var found: [String: (SettingValue, Origin)] = [:]
    for setting in settings {
      let flagged = arguments.all(setting.flag.name)
      if !flagged.isEmpty {
        let place = "--\(setting.flag.name)"
        take(setting.value(of: flagged.joined(separator: ",")), setting, .flag(place), place, &found, &faults)
      } else if let text = environment[setting.variable] {
        let origin = Origin.environment(setting.variable)
        take(setting.value(of: text), setting, origin, setting.variable, &found, &faults)
      }
    }
    if let file { read(file, &found, &faults) }
    if !faults.isEmpty { throw ConfigFaults(faults: faults) }
    for setting in settings where found[setting.key] == nil {
      if let fallback = setting.fallback { found[setting.key] = (fallback, .fallback) }
    }
    let known = Set(settings.map(\.variable))
    let unknown = environment.keys.filter { $0.hasPrefix("BERTH_") && !known.contains($0) }.sorted()
    return Settings(table: self, found: found, unknownVariables: unknown)
  }

  /// Everything in the file is checked, also what a flag overrides: the next start may be without the flag.
  private func read(
    _ file: File, _ found: inout [String: (SettingValue, Origin)], _ faults: inout [ConfigFault]
  ) {
    let entries: [TOMLEntry]
    do { entries = try TOMLReader.read(file.text, name: file.name) } catch { return faults.append(error) }
    for entry in entries {
      let place = "\(file.name):\(entry.line): \(entry.key)"
      guard let setting = byKey[entry.key] else {
        let near = suggestion(for: entry.key, among: settings.map(\.key))
        let remedy = near.map { "did you mean \($0)?" } ?? "`berth config show` lists all settings"
        faults.append(ConfigFault(place, "is no setting", remedy: remedy))
        continue
      }
      let origin = Origin.file(file.name, line: entry.line)
      var ignored: [String: (SettingValue, Origin)] = [:]
      if found[entry.key] == nil {
        take(setting.value(of: entry.value), setting, origin, place, &found, &faults)
      } else {
        take(setting.value(of: entry.value), setting, origin, place, &ignored, &faults)
      }
    }
  }

  private func take(
    _ result: Result<SettingValue, Setting.Broken>, _ setting: Setting, _ origin: Origin, _ place: String,
    _ found: inout [String: (SettingValue, Origin)], _ faults: inout [ConfigFault]
  ) {
    switch result {
    case .success(let value): found[setting.key] = (value, origin)
    case .failure(let broken):
      let shown = setting.isSecret ? "what was given" : broken.found
      let remedy = setting.fallback.map { "leave it out for \($0)" } ?? "correct it or leave it out"
      faults.append(ConfigFault(place, "\(setting.kind.rule), not \(shown)", remedy: remedy))
    }
  }
}

/// The decided values.
package struct Settings: Sendable {
  private let table: SettingTable
  private let found: [String: (SettingValue, Origin)]
  /// Variables that look like ours and name no setting, in order.
  package let unknownVariables: [String]

  fileprivate init(table: SettingTable, found: [String: (SettingValue, Origin)], unknownVariables: [String]) {
    self.table = table
    self.found = found
    self.unknownVariables = unknownVariables
  }

  /// The value of a setting of the table, or nil when there is none and no default.
  package subscript(key: String) -> SettingValue? {
    precondition(table.byKey[key] != nil, "\(key) is not in the table of settings")
    return found[key]?.0
  }

  /// Where its value came from; `default` also when there is none.
  package func origin(of key: String) -> Origin { found[key]?.1 ?? .fallback }

  /// Of a text or a choice.
  package func text(_ key: String) -> String? { if case .text(let text)? = self[key] { text } else { nil } }

  /// Of a boolean; false when nobody said anything.
  package func flag(_ key: String) -> Bool { self[key] == .boolean(true) }

  /// Of an integer or a size.
  package func integer(_ key: String) -> Int64? {
    switch self[key] {
    case .integer(let number)?, .size(let number)?: number
    default: nil
    }
  }

  /// Of a duration.
  package func duration(_ key: String) -> Duration? {
    if case .duration(let duration)? = self[key] { duration } else { nil }
  }

  /// Of a list; empty when nobody said anything.
  package func list(_ key: String) -> [String] { if case .list(let texts)? = self[key] { texts } else { [] } }

  /// Key, shown value and origin of all settings in the order of the table; secrets are hidden.
  package var rows: [(key: String, value: String, origin: Origin)] {
    table.settings.map { setting in
      let value = found[setting.key]?.0
      let shown = value.map { setting.isSecret ? "(hidden)" : "\($0)" } ?? "(none)"
      return (setting.key, shown, origin(of: setting.key))
    }
  }
}
