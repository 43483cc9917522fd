package import Log
package import Platform

/// The names of everything that Berth keeps in etcd, under one prefix.
package struct EtcdKeys: Hashable, Sendable {
  /// What every key begins with.
  package let prefix: String

  /// Takes a prefix, which ends with a slash.
  package init(prefix: String) {
    precondition(prefix.hasSuffix("/") && prefix.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "a prefix ends with /")
    self.prefix = prefix
  }

  /// The log id and the format.
  package var meta: String { prefix + "meta" }
  /// Who leads; hangs on its lease. Its create revision is the number of the epoch.
  package var epoch: String { prefix + "epoch" }
  /// The key after that of the epoch.
  package var epochEnd: String { epoch + "\0" }
  /// A batch.
  package func log(_ sequence: UInt64) -> String { prefix + "log/" + EtcdKeys.digits(sequence) }
  /// The key after all batches.
  package var logEnd: String { prefix + "log0" }
  /// Never there; removing it is how a barrier is a write.
  package func barrier(_ node: String) -> String { prefix + "barrier/" + node }
  /// The head of the snapshot whose anchor is this batch.
  package func snapshot(_ sequence: UInt64) -> String { prefix + "snap/" + EtcdKeys.digits(sequence) }
  /// The key after all heads of snapshots.
  package var snapshotEnd: String { prefix + "snap0" }
  /// A piece of a snapshot.
  package func chunk(_ sequence: UInt64, _ index: Int) -> String {
    prefix + "chunk/" + EtcdKeys.digits(sequence) + "/" + EtcdKeys.digits(UInt64(index)).suffix(6)
  }

  /// The number of a batch or snapshot that a key names.
  package func sequence(of key: String) -> UInt64? {
    for kind in ["log/", "snap/"] where key.hasPrefix(prefix + kind) {
      let digits = key.utf8.dropFirst(prefix.utf8.count + kind.utf8.count)
      guard digits.count == 20, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
      return UInt64(String(digits)!)
    }
    return nil
  }

  private static func digits(_ number: UInt64) -> String {
    let text = String(number)
    return String(repeating: "0", count: 20 - text.utf8.count) + text
  }
}

/// The value of `meta`.
package enum EtcdMeta {
  /// The text that names a log.
  package static func encode(_ logID: SHA256Digest) -> [UInt8] { Array("berth-log 1 \(logID.hex)".utf8) }

  /// The log it names, nil when it is nothing of ours or of a later format.
  package static func decode(_ value: [UInt8]) -> SHA256Digest? {
    let parts = String(decoding: value, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "berth-log", parts[1] == "1", parts[2].utf8.count == 64 else { return nil }
    var bytes: [UInt8] = []
    var rest = parts[2]
    while !rest.isEmpty {
      guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
      bytes.append(byte)
      rest = rest.dropFirst(2)
    }
    return SHA256Digest(bytes: bytes)
  }
}

/// The value of `epoch`: who campaigned, in a form that no two campaigns share.
package struct EtcdEpoch: Hashable, Sendable {
  /// Tells one campaign from another.
  package let nonce: UInt64
  /// The node's name.
  package let node: String
  /// Where it is reached.
  package let url: String

  /// Names a campaign.
  package init(nonce: UInt64, node: String, url: String) {
    self.nonce = nonce
    self.node = node
    self.url = url
  }

  /// The text.
  package var value: [UInt8] { Array("berth-epoch 1\n\(nonce)\n\(node)\n\(url)".utf8) }

  /// Reads the text; what cannot be read is some other leader.
  package init(reading value: [UInt8]) {
    let lines = String(decoding: value.prefix(4096), as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false)
    guard lines.count == 4, lines[0] == "berth-epoch 1", let nonce = UInt64(lines[1]) else {
      self.init(nonce: 0, node: "unknown", url: "")
      return
    }
    self.init(nonce: nonce, node: String(lines[2]), url: String(lines[3]))
  }
}

/// The value of a snapshot's head: its anchor, and what its pieces add up to.
package struct EtcdSnapshotHead: Hashable, Sendable {
  /// The most bytes of a piece.
  package static let chunkBytes = 512 << 10

  /// The newest batch that all of it has.
  package let anchor: LogHead
  /// All bytes.
  package let size: Int
  /// Their hash.
  package let digest: SHA256Digest

  /// Describes an image.
  package init(_ image: SnapshotImage) {
    anchor = image.anchor
    size = image.bytes.count
    digest = SHA256Digest(of: image.bytes)
  }

  /// How many pieces there are.
  package var chunks: Int { (size + EtcdSnapshotHead.chunkBytes - 1) / EtcdSnapshotHead.chunkBytes }

  /// The text.
  package var value: [UInt8] {
    Array(
      "berth-snapshot 1 \(anchor.logID.hex) \(anchor.sequence) \(anchor.hash.hex) \(anchor.nextRevision) \(anchor.time) \(size) \(digest.hex)"
        .utf8)
  }

  /// Reads the text, nil when it is nothing that we know.
  package init?(reading value: [UInt8]) {
    let parts = String(decoding: value, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 9, parts[0] == "berth-snapshot", parts[1] == "1",
      let logID = EtcdMeta.decode(Array("berth-log 1 \(parts[2])".utf8)), let sequence = UInt64(parts[3]),
      let hash = EtcdMeta.decode(Array("berth-log 1 \(parts[4])".utf8)), let nextRevision = UInt64(parts[5]),
      let time = Int64(parts[6]), let size = Int(parts[7]), size > 0, size <= SnapshotImage.maxBytes,
      let digest = EtcdMeta.decode(Array("berth-log 1 \(parts[8])".utf8))
    else { return nil }
    anchor = LogHead(logID: logID, sequence: sequence, hash: hash, nextRevision: nextRevision, time: time)
    self.size = size
    self.digest = digest
  }
}
