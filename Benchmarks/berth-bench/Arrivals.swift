import Glibc

/// VMs that come and go: a real trace from a directory, or one made from a seed.
struct Arrivals {
  struct Flavour {
    let cpu: Int32
    let memory: Int32
  }

  struct Event {
    let time: Int64
    /// The VM's number; it comes if it has a flavour here, or else it goes.
    let vm: Int32
    let flavour: Int16
  }

  let flavours: [Flavour]
  /// In order of time; who goes at a time goes before who comes.
  let events: [Event]
  let vmCount: Int

  /// The fewest hosts that demand alone would need at its peak.
  func lowerBound(_ host: Flavour) -> Int {
    var (cpu, memory, most) = (Int64(0), Int64(0), Int64(0))
    var flavourOf = [Int16](repeating: -1, count: vmCount)
    for event in events {
      let comes = event.flavour >= 0
      if comes { flavourOf[Int(event.vm)] = event.flavour }
      let flavour = flavours[Int(flavourOf[Int(event.vm)])]
      cpu += comes ? Int64(flavour.cpu) : -Int64(flavour.cpu)
      memory += comes ? Int64(flavour.memory) : -Int64(flavour.memory)
      let hosts = max(
        (cpu + Int64(host.cpu) - 1) / Int64(host.cpu), (memory + Int64(host.memory) - 1) / Int64(host.memory))
      most = max(most, hosts)
    }
    return Int(most)
  }

  private init(_ flavours: [Flavour], _ lives: [(from: Int64, until: Int64, flavour: Int16)]) {
    self.flavours = flavours
    vmCount = lives.count
    var events: [Event] = []
    events.reserveCapacity(lives.count * 2)
    for (number, life) in lives.enumerated() {
      events.append(Event(time: life.from, vm: Int32(number), flavour: life.flavour))
      if life.until < .max { events.append(Event(time: life.until, vm: Int32(number), flavour: -1)) }
    }
    events.sort { a, b in
      if a.time != b.time { return a.time < b.time }
      return (a.flavour >= 0) == (b.flavour >= 0) ? a.vm < b.vm : a.flavour < 0
    }
    self.events = events
  }

  /// A made-up trace of the same kind: bursts of equal VMs, most of them short-lived, a few for ever.
  init(seed: UInt64) {
    var random = SplitMix(state: seed)
    let shapes: [(Int32, Int32)] = [(1, 1), (1, 2), (2, 4), (4, 8), (2, 14), (4, 28), (8, 16), (16, 112)]
    let weights = [25, 20, 25, 14, 6, 4, 5, 1]
    var lives: [(from: Int64, until: Int64, flavour: Int16)] = []
    for bin in 0..<600 {
      for _ in 0..<random.below(60) {
        var (pick, flavour) = (random.below(100), 0)
        while pick >= weights[flavour] {
          pick -= weights[flavour]
          flavour += 1
        }
        let from = Int64(bin) * 300
        let burst = 1 + random.below(random.below(8) == 0 ? 40 : 4)
        let kind = random.below(10)
        for _ in 0..<burst {
          let span = kind < 6 ? 600 + random.below(7_200) : kind < 9 ? 7_200 + random.below(86_400) : Int.max
          lives.append((from, span == .max ? .max : from + Int64(span), Int16(flavour)))
        }
      }
    }
    self.init(shapes.map { Flavour(cpu: $0.0 * 1_000, memory: $0.1 * 1_024) }, lives)
  }

  /// The trace whose files lie in `directory`; lifetimes are drawn inside their bins from `seed`.
  init(directory: String, seed: UInt64) throws(Failure) {
    var flavours: [Flavour] = []
    var names: [Substring: Int16] = [:]
    let map = try Arrivals.read(directory + "/flav_map.txt")
    for line in map.split(separator: "\n") {
      let parts = line.split(whereSeparator: { $0 == "," || $0 == " " })
      guard parts.count == 3, let cpu = Int32(parts[0]), let memory = Double(parts[1]) else {
        throw Failure("flav_map.txt: '\(line)'")
      }
      names[parts[2]] = Int16(flavours.count)
      flavours.append(Flavour(cpu: cpu * 1_000, memory: Int32(memory * 1_024)))
    }
    // Seconds at which each bin of durations begins.
    var starts: [Int64] = []
    for line in try Arrivals.read(directory + "/v1.interval_map.txt").split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count == 2, let second = Int64(parts[0]), let bin = Int(parts[1]), bin == starts.count {
        starts.append(second)
      }
    }
    starts.append((starts.last ?? 0) + 86_400)
    var random = SplitMix(state: seed)
    var lives: [(from: Int64, until: Int64, flavour: Int16)] = []
    let came = try Arrivals.read(directory + "/v1.dev.txt").split(separator: "\n")
    let stayed = try Arrivals.read(directory + "/v1.dev.c2100000.txt").split(separator: "\n")
    for (arrivals, durations) in zip(came, stayed) {
      let (a, b) = (arrivals.split(separator: " "), durations.split(separator: " "))
      guard a.count == 2, b.count == 2, let from = Int64(a[0]) else { continue }
      for (flavour, duration) in zip(a[1].split(separator: ","), b[1].split(separator: ",")) where flavour != "|" {
        guard let number = names[flavour], let bin = Int(duration.dropFirst()), bin + 1 < starts.count else {
          throw Failure("flavour \(flavour), duration \(duration)")
        }
        var until = Int64.max
        if duration.first == "U" {
          until = from + max(1, starts[bin] + Int64(random.below(Int(starts[bin + 1] - starts[bin]))))
        }
        lives.append((from, until, number))
      }
    }
    self.init(flavours, lives)
  }

  private static func read(_ path: String) throws(Failure) -> String {
    guard let file = fopen(path, "r") else { throw .system(path) }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { break }
      bytes.append(contentsOf: buffer[..<count])
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Numbers from a seed, the same on every machine.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
