// Where nodes and members are, and how long a message takes between two places.
//
// The ways are those that are measured between Frankfurt, Virginia, Oregon, Singapore and Sydney, rounded. A request
// goes from the node to its member, from there to the leader of etcd, which asks its nearest majority, and back.
internal import TestSupport

struct Sites {
  /// One way between two places, in milliseconds.
  static let ways: [[Int64]] = [
    [0, 45, 70, 80, 120], [45, 0, 35, 110, 100], [70, 35, 0, 82, 70], [80, 110, 82, 0, 46], [120, 100, 70, 46, 0]
  ]
  /// As etcd's guide says: ten times the longest way there and back.
  static let electionMilliseconds: Int64 = 2_400

  let count: Int
  /// The first node's place; the others follow in turn.
  let offset: Int

  /// The shortest lease that etcd grants there, in seconds: half as long again as its election timeout.
  var shortestLease: Int64 { count > 1 ? (Sites.electionMilliseconds * 3 / 2 + 999) / 1_000 : 1 }

  /// One way between a node and a member, in microseconds.
  func way(node: Int, member: Int) -> Int64 { way((node + offset) % count, member % count) }

  /// One way between two members.
  func way(member: Int, _ other: Int) -> Int64 { way(member % count, other % count) }

  /// How long the leader of etcd waits for its nearest majority, itself included.
  func agreement(leader: Int, members: Int) -> Int64 {
    let ways = (0..<members).map { way(member: leader, $0) }.sorted()
    return 2 * ways[members / 2]
  }

  private func way(_ from: Int, _ to: Int) -> Int64 { Sites.ways[from][to] * 1_000 }
}

extension World {
  /// The member that leads etcd: the first one that is there.
  var etcdLeader: Int {
    members.firstIndex { max($0.pausedUntil, $0.isolatedUntil) <= now } ?? 0
  }

  /// What distance adds to a request on its way to where it is executed, or to its answer on the way back; no message is
  /// faster than light, some are slower.
  func distance(_ node: Int, _ member: Int, isAgreed: Bool) -> Int64 {
    guard sites.count > 1 else { return 0 }
    let leader = etcdLeader
    let ways =
      sites.way(node: node, member: member) + sites.way(member: member, leader)
      + (isAgreed ? sites.agreement(leader: leader, members: members.count) : 0)
    return ways + Int64.random(in: 0...ways / 5 + 1, using: &random)
  }
}
