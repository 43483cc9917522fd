package import Client
internal import Config

/// A scheduler outside, as `--scheduler` names it.
package struct SchedulerSettings: Hashable, Sendable {
  /// The most there are.
  static let most = 4
  /// The most that the weights of those that score come to.
  static let weightMax = 10
  /// How long one may take.
  static let timeouts: ClosedRange<Duration> = .milliseconds(10) ... .seconds(5)

  /// Its name.
  package let name: String
  /// Where it answers.
  package let address: ServerAddress
  /// The path that is asked.
  package let path: String
  /// What its scores count.
  package private(set) var weight = 1
  /// How long it may take.
  package private(set) var timeout = Duration.milliseconds(200)
  /// Whether it may refuse nodes.
  package private(set) var filters = true
  /// Whether its scores count.
  package private(set) var scores = true

  /// Reads all of them.
  static func all(_ texts: [String]) throws(Failure) -> [SchedulerSettings] {
    guard texts.count <= most else {
      throw .usage("there are \(texts.count) schedulers", "each has a line in every explanation: \(most) at most")
    }
    let all = try texts.map { (text) throws(Failure) in try SchedulerSettings(text) }
    for (index, one) in all.enumerated() where all[..<index].contains(where: { $0.name == one.name }) {
      throw .usage("two schedulers are called \(one.name)", "give each a name of its own")
    }
    let weights = all.filter(\.scores).reduce(0) { $0 + $1.weight }
    guard weights <= weightMax else {
      throw .usage("the schedulers' weights come to \(weights)", "\(weightMax) at most")
    }
    return all
  }

  /// Reads `NAME=URL [weight=N] [timeout=TIME] [only=filter|score]`.
  init(_ text: String) throws(Failure) {
    func wrong(_ why: String) -> Failure {
      .usage("--scheduler '\(text)': \(why)", "write 'NAME=http://HOST:PORT/PATH', then weight=, timeout=, only=")
    }
    var words = text.split(separator: " ").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }[...]
    guard let first = words.popFirst(), first.count == 2 else { throw wrong("it needs a name and a place") }
    name = first[0]
    guard name.utf8.count <= 32, name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
    else { throw wrong("a name is up to 32 of a-z, 0-9 and -") }
    (address, path) = try Self.place(first[1], wrong)
    var seen: Set<String> = []
    for word in words {
      guard word.count == 2, seen.insert(word[0]).inserted else { throw wrong("'\(word[0])' is there twice, or empty") }
      switch word[0] {
      case "weight":
        guard let number = Int(word[1]), (1...Self.weightMax).contains(number) else {
          throw wrong("weight is 1 to \(Self.weightMax)")
        }
        weight = number
      case "timeout":
        guard let time = parseDuration(word[1]), Self.timeouts.contains(time) else {
          throw wrong("timeout is 10ms to 5s")
        }
        timeout = time
      case "only":
        guard word[1] == "filter" || word[1] == "score" else { throw wrong("only is filter or score") }
        (filters, scores) = (word[1] == "filter", word[1] == "score")
      default: throw wrong("there is no '\(word[0])'")
      }
    }
  }

  private static func place(
    _ url: String, _ wrong: (String) -> Failure
  ) throws(Failure) -> (ServerAddress, String) {
    guard let scheme = ["http://", "https://"].first(where: { url.hasPrefix($0) }) else {
      throw wrong("its place begins with http:// or https://")
    }
    let rest = url.dropFirst(scheme.count)
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    let path = slash == rest.endIndex ? "/" : String(rest[slash...])
    guard path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
      throw wrong("its path is not percent-encoded")
    }
    do throws(ServerAddress.Fault) {
      return (try ServerAddress(scheme + rest[..<slash], standardPort: scheme == "https://" ? 443 : 80), path)
    } catch { throw wrong("its place \(error.rule)") }
  }
}
