import Log
import LogEtcd
import Platform
import Testing

/// The bytes of every kind of request, as the machine writes them. Keys and values are Base64: `L2IvZXBvY2g=` is
/// `/b/epoch`.
@Suite struct RequestTests {
  private let keys = EtcdKeys(prefix: "/b/")

  private func text(_ request: EtcdRequest) -> String {
    "\(request.path) " + String(decoding: request.body ?? [], as: UTF8.self)
  }

  @Test func anAppendKeepsItsBytes() {
    let append = EtcdTxn(
      [
        .created(keys.epoch, 7), .has(keys.epoch, [110, 49]), .absent(keys.log(3)), .modified(keys.log(2), 9)
      ],
      then: [.put(key: keys.log(3), value: [1, 2, 255], lease: 0)],
      else: [.range(EtcdRange(keys.epoch)), .range(EtcdRange(keys.log(3))), .range(EtcdRange(keys.log(2)))])
    #expect(
      text(.txn(append)) == #"/v3/kv/txn {"compare":["#
        + #"{"key":"L2IvZXBvY2g=","target":"CREATE","result":"EQUAL","create_revision":"7"},"#
        + #"{"key":"L2IvZXBvY2g=","target":"VALUE","result":"EQUAL","value":"bjE="},"#
        + #"{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAz","target":"CREATE","result":"EQUAL","create_revision":"0"},"#
        + #"{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAy","target":"MOD","result":"EQUAL","mod_revision":"9"}],"#
        + #""success":[{"request_put":{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAz","value":"AQL/"}}],"#
        + #""failure":[{"request_range":{"key":"L2IvZXBvY2g="}},"#
        + #"{"request_range":{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAz"}},"#
        + #"{"request_range":{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAy"}}]}"#)
  }

  @Test func aSyncKeepsItsBytes() {
    let sync = EtcdTxn(
      [.modified(keys.log(2), 9)],
      then: [
        .delete(key: keys.barrier("n1"), end: nil), .range(EtcdRange(keys.log(3), to: keys.logEnd, limit: 8)),
        .range(EtcdRange(keys.epoch))
      ])
    #expect(
      text(.txn(sync)) == #"/v3/kv/txn {"compare":["#
        + #"{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAy","target":"MOD","result":"EQUAL","mod_revision":"9"}],"#
        + #""success":[{"request_delete_range":{"key":"L2IvYmFycmllci9uMQ=="}},"#
        + #"{"request_range":{"key":"L2IvbG9nLzAwMDAwMDAwMDAwMDAwMDAwMDAz","range_end":"L2IvbG9nMA==","limit":"8"}},"#
        + #"{"request_range":{"key":"L2IvZXBvY2g="}}]}"#)
  }

  @Test func aCampaignKeepsItsBytes() {
    let campaign = EtcdEpoch(nonce: 5, node: "n1", url: "http://n1:8080")
    let txn = EtcdTxn([.absent(keys.epoch)], then: [.put(key: keys.epoch, value: campaign.value, lease: 12)])
    #expect(
      text(.txn(txn)) == #"/v3/kv/txn {"compare":["#
        + #"{"key":"L2IvZXBvY2g=","target":"CREATE","result":"EQUAL","create_revision":"0"}],"#
        + #""success":[{"request_put":{"key":"L2IvZXBvY2g=","#
        + #""value":"YmVydGgtZXBvY2ggMQo1Cm4xCmh0dHA6Ly9uMTo4MDgw","lease":"12"}}]}"#)
  }

  @Test func theOtherCallsKeepTheirBytes() {
    #expect(text(.version) == "/version ")
    #expect(text(.grant(seconds: 1)) == #"/v3/lease/grant {"TTL":"1"}"#)
    #expect(text(.keepAlive(lease: 12)) == #"/v3/lease/keepalive {"ID":"12"}"#)
    #expect(text(.revoke(lease: 12)) == #"/v3/lease/revoke {"ID":"12"}"#)
    #expect(text(.compact(revision: 30)) == #"/v3/kv/compaction {"revision":"30"}"#)
    let newest = EtcdRange(
      keys.snapshot(0), to: keys.snapshotEnd, limit: 2, revision: 40, descending: true, keysOnly: true)
    #expect(
      text(.range(newest)) == #"/v3/kv/range {"key":"L2Ivc25hcC8wMDAwMDAwMDAwMDAwMDAwMDAwMA==","#
        + #""range_end":"L2Ivc25hcDA=","limit":"2","revision":"40","sort_order":"DESCEND","sort_target":"KEY","#
        + #""keys_only":true}"#)
    #expect(
      String(decoding: EtcdWatch(keys.epoch, to: keys.logEnd, from: 8).body, as: UTF8.self)
        == #"{"create_request":{"key":"L2IvZXBvY2g=","range_end":"L2IvbG9nMA==","start_revision":"8"}}"#)
  }

  /// Another version of Berth reads these.
  @Test func whatIsKeptBesideTheLogKeepsItsText() {
    let (log, other) = (SHA256Digest(of: Array("abc".utf8)), SHA256Digest(of: []))
    let (hex, otherHex) = (
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    #expect(EtcdMeta.encode(log) == Array("berth-log 1 \(hex)".utf8))
    #expect(EtcdMeta.decode(EtcdMeta.encode(log)) == log)
    for text in ["berth-log 2 \(hex)", "berth-log 1 \(hex.dropLast())", "berth-log 1 \(hex.dropLast())x", "other"] {
      #expect(EtcdMeta.decode(Array(text.utf8)) == nil, "\(text)")
    }
    let anchor = LogHead(logID: log, sequence: 7, hash: other, nextRevision: 9, time: 11)
    let head = EtcdSnapshotHead(SnapshotImage(anchor: anchor, bytes: []))
    let text = "berth-snapshot 1 \(hex) 7 \(otherHex) 9 11 0 \(otherHex)"
    #expect(String(decoding: head.value, as: UTF8.self) == text)
    let read = EtcdSnapshotHead(reading: Array(text.replacing(" 11 0 ", with: " 11 5 ").utf8))
    #expect(read?.anchor == anchor && read?.size == 5 && read?.digest == other && read?.chunks == 1)
    #expect(EtcdSnapshotHead(reading: Array(text.utf8)) == nil, "an empty one is none")
  }

  @Test func keysSortAsTheirNumbersDo() {
    #expect(keys.log(9) < keys.log(10) && keys.log(10) < keys.log(.max) && keys.log(.max) < keys.logEnd)
    #expect(keys.epoch < keys.log(0) && keys.sequence(of: keys.log(.max)) == .max)
    #expect(keys.sequence(of: "/b/log/12") == nil && keys.sequence(of: "/b/log/0000000000000000001x") == nil)
    // Nothing but the epoch and the log lies in the watched range.
    for other in [keys.meta, keys.barrier("n"), keys.snapshot(1), keys.chunk(1, 2)] {
      #expect(other < keys.epoch || other >= keys.logEnd)
    }
  }
}

@Suite struct AnswerTests {
  private func answer(_ request: EtcdRequest, _ json: String, status: Int = 200) -> EtcdAnswer? {
    EtcdDecoding.answer(to: request, status: status, body: Array(json.utf8))
  }
  private let header = #""header":{"cluster_id":"3","member_id":"4","revision":"5","raft_term":"2"}"#
  private let read = EtcdHeader(cluster: 3, member: 4, revision: 5)

  @Test func whatIsLeftOutIsZero() {
    let txn = EtcdTxn([.absent("a")], then: [.put(key: "a", value: [], lease: 0)], else: [.range(EtcdRange("a"))])
    #expect(
      answer(.txn(txn), "{\(header),\"responses\":[{\"response_range\":{\"header\":{}}}]}")
        == .txn(read, succeeded: false, [.range(EtcdRead())]))
    #expect(answer(.keepAlive(lease: 9), "{\"result\":{\(header),\"ID\":\"9\"}}") == .lease(read, id: 9, seconds: 0))
    #expect(answer(.range(EtcdRange("a")), "{\(header)}") == .range(read, EtcdRead()))
  }

  /// Something else may listen on that port: what is counted with these numbers must not end the process.
  @Test func revisionsThatNoEtcdSendsAreNoAnswer() {
    for wrong in ["-1", "9223372036854775807", "4611686018427387904"] {
      let json = "{\(header),\"kvs\":[{\"key\":\"YQ==\",\"create_revision\":\"\(wrong)\"}]}"
      #expect(answer(.range(EtcdRange("a")), json) == nil, "created \(wrong)")
      #expect(answer(.range(EtcdRange("a")), json.replacing("create_", with: "mod_")) == nil)
      let head = "{\"header\":{\"cluster_id\":\"3\",\"revision\":\"\(wrong)\"}}"
      #expect(answer(.range(EtcdRange("a")), head) == nil, "at \(wrong)")
    }
  }

  @Test func fieldsOfLaterVersionsArePassedOver() {
    let json =
      "{\(header),\"kvs\":[{\"key\":\"YQ==\",\"value\":\"dg==\",\"mod_revision\":5,\"new\":[1,{}]}],\"x\":null}"
    let kv = EtcdKeyValue(key: "a", value: [118], modified: 5)
    #expect(answer(.range(EtcdRange("a")), json) == .range(read, EtcdRead([kv])))
  }

  @Test func whatIsNoAnswerIsNone() {
    let txn = EtcdRequest.txn(EtcdTxn([], then: [.put(key: "a", value: [], lease: 0)]))
    for json in [
      "", "{}", "404 page not found", "{\(header),\"succeeded\":true}", "{\(header),\"succeeded\":1}",
      "{\(header),\"succeeded\":true,\"responses\":[{\"response_range\":{}}]}",
      "{\(header),\"succeeded\":true,\"responses\":[{}]}", "{\(header),\"succeeded\":true,\"responses\":[]} x"
    ] {
      #expect(answer(txn, json) == nil, "\(json)")
    }
    #expect(answer(.range(EtcdRange("a")), "{\(header),\"kvs\":[{\"key\":\"YQ=\"}]}") == nil)
    #expect(answer(.range(EtcdRange("a")), "{\(header),\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"9x\"}]}") == nil)
    #expect(answer(.grant(seconds: 1), "{\(header)}") == nil)
    #expect(answer(.range(EtcdRange("a")), "{\(header)}", status: 503) == nil)
  }

  @Test func onlyKnownErrorsAreDefinite() {
    func meaning(_ code: Int, _ message: String) -> EtcdError.Meaning? {
      let json = "{\"error\":\"\(message)\",\"message\":\"\(message)\",\"code\":\(code)}"
      guard case .error(let error) = answer(.range(EtcdRange("a")), json, status: 400) else { return nil }
      return error.meaning
    }
    #expect(meaning(8, "etcdserver: mvcc: database space exceeded") == .storageFull)
    #expect(meaning(8, "etcdserver: too many requests") == .unknown)
    #expect(meaning(5, "etcdserver: requested lease not found") == .leaseGone)
    #expect(meaning(11, "etcdserver: mvcc: required revision has been compacted") == .revisionAway)
    #expect(meaning(3, "etcdserver: request is too large") == .invalid)
    for code in [1, 2, 4, 7, 9, 10, 13, 14, 16, 99] {
      #expect(meaning(code, "etcdserver: request timed out") == .unknown)
    }
  }

  @Test func aWatchTellsChangesAndItsEnd() {
    let created = EtcdDecoding.watchLine(Array("{\"result\":{\(header),\"created\":true}}".utf8))
    #expect(created?.isCreated == true && created?.events.isEmpty == true)
    let line =
      "{\"result\":{\(header),\"events\":[{\"kv\":{\"key\":\"YQ==\",\"create_revision\":\"5\",\"mod_revision\":\"5\",\"version\":\"1\",\"value\":\"dg==\"}},"
      + "{\"type\":\"DELETE\",\"kv\":{\"key\":\"YQ==\",\"mod_revision\":\"6\"}}]}}"
    #expect(
      EtcdDecoding.watchLine(Array(line.utf8))?.events == [
        EtcdEvent(isDelete: false, kv: EtcdKeyValue(key: "a", value: [118], created: 5, modified: 5)),
        EtcdEvent(isDelete: true, kv: EtcdKeyValue(key: "a", modified: 6))
      ])
    let end = EtcdDecoding.watchLine(
      Array(#"{"result":{"header":{"cluster_id":"3"},"canceled":true,"compact_revision":"3"}}"#.utf8))
    #expect(end?.isCanceled == true && end?.compactRevision == 3 && end?.header.revision == 0)
    #expect(EtcdDecoding.watchLine(Array(#"{"error":{"grpc_code":14,"message":"x"}}"#.utf8)) == nil)
  }

  @Test func versionsThatLoseDataAreRefused() {
    for version in ["3.5.0", "3.5.1", "3.5.2"] {
      guard case .refuse = EtcdVersion.judge(version) else {
        Issue.record("\(version) is not refused")
        continue
      }
    }
    for version in ["3.4.23", "3.4.45", "3.5.3", "3.5.27", "3.6.8", "2.3.0", "nonsense"] {
      guard case .warn = EtcdVersion.judge(version) else {
        Issue.record("\(version) is not warned of")
        continue
      }
    }
    for version in ["3.5.28", "3.6.9", "3.6.14", "3.7.1"] { #expect(EtcdVersion.judge(version) == .fine) }
  }
}
