// Sending, and what becomes of an answer or of none: each request has a purpose, and at most one request serves a
// purpose at a time.

/// What a request is for.
enum Purpose: Equatable {
  case version(endpoint: Int)
  case open
  case sync, page
  case append
  case grant, campaign, renew, forget
  case bootstrap
  case publish
}

/// A request with what is needed to send it again.
struct Sent {
  let purpose: Purpose
  let request: EtcdRequest
  var timeout = EtcdTiming.attempt
  var attempts = 0
  /// The newest revision seen when it was sent: nothing that writes may answer an older one.
  var highest: Int64 = 0
}

extension EtcdMachine {
  func send(_ purpose: Purpose, _ request: EtcdRequest, timeout: Int64 = EtcdTiming.attempt) {
    resend(Sent(purpose: purpose, request: request, timeout: timeout))
  }

  func resend(_ sent: Sent) {
    var sent = sent
    sent.attempts += 1
    sent.highest = highest
    let id = nextID
    nextID += 1
    requests[id] = sent
    var place = endpoint
    if case .version(let endpoint) = sent.purpose { place = endpoint }
    actions.append(.send(id, sent.request, endpoint: place, timeout: sent.timeout))
  }

  /// Sends the same again after a pause that doubles.
  func retry(_ sent: Sent, after pause: Int64? = nil) {
    let doubled = EtcdTiming.retry << Int64(min(max(sent.attempts - 1, 0), 4))
    delayed.append((now + (pause ?? min(doubled, EtcdTiming.retryMost)), sent))
  }

  func resendDelayed() {
    guard delayed.contains(where: { $0.at <= now }) else { return }
    let due = delayed.filter { $0.at <= now }
    delayed.removeAll { $0.at <= now }
    for item in due { resend(item.sent) }
  }

  /// Forgets what is under way for a purpose; its late answer means nothing.
  func forget(_ purpose: Purpose) {
    delayed.removeAll { $0.sent.purpose == purpose }
    for id in requests.keys.sorted() where requests[id]!.purpose == purpose { requests[id] = nil }
  }

  func isBusy(_ purpose: Purpose) -> Bool {
    delayed.contains { $0.sent.purpose == purpose } || requests.values.contains { $0.purpose == purpose }
  }

  func answered(_ id: UInt64, _ answer: EtcdAnswer) {
    guard let sent = requests.removeValue(forKey: id), isAlive else { return }
    if case .error(let error) = answer, error.meaning == .unknown {
      return missed(sent)
    }
    lastAnswer = now
    if let header = answer.header {
      guard accepts(header, for: sent) else { return }
      highest = max(highest, header.revision)
    }
    switch sent.purpose {
    case .version(let endpoint): versionAnswered(answer, endpoint)
    case .open: openAnswered(answer, sent)
    case .sync: syncAnswered(answer, sent)
    case .page: pageAnswered(answer, sent)
    case .append: appendAnswered(answer, sent)
    case .grant: grantAnswered(answer)
    case .campaign: campaignAnswered(answer, sent)
    case .renew: renewAnswered(answer)
    case .forget: break
    case .bootstrap: bootstrapAnswered(answer, sent)
    case .publish: publishAnswered(answer, sent)
    }
  }

  func failed(_ id: UInt64, _ failure: EtcdFailure) {
    guard let sent = requests.removeValue(forKey: id), isAlive else { return }
    missed(sent)
  }

  /// Nobody knows what became of it.
  private func missed(_ sent: Sent) {
    endpoint = (endpoint + 1) % options.endpoints
    switch sent.purpose {
    case .version: retry(sent, after: EtcdTiming.poll * 5)
    case .open, .bootstrap, .publish: retry(sent)
    case .sync, .page: syncMissed(sent)
    case .append: appendMissed(sent)
    case .grant: campaignLater()
    case .campaign: campaignMissed(sent)
    case .renew: lead.renewAt = now + EtcdTiming.retry
    case .forget: break
    }
  }

  /// One cluster, and time that does not go back in answers that etcd had to order with the writes.
  private func accepts(_ header: EtcdHeader, for sent: Sent) -> Bool {
    guard header.cluster != 0 else { return true }
    if cluster == 0 { cluster = header.cluster }
    guard cluster == header.cluster else {
      lose("this etcd is another cluster than before; " + advice)
      return false
    }
    if case .txn = sent.request, sent.purpose != .publish, header.revision < sent.highest {
      lose(
        "etcd went back from revision \(sent.highest) to \(header.revision): it has lost history; " + advice)
      return false
    }
    return true
  }

  /// What to run when etcd and this node do not agree.
  var advice: String {
    "stop all nodes, put the archive that goes furthest under another prefix"
      + " (`berth cluster migrate --from DIR --to etcd://... --etcd-prefix /berth-2/`) and start them with that prefix;"
      + " if it is this node's archive (\(options.directory)) that is wrong, `berth cluster rejoin`"
  }

  // MARK: Versions

  func askVersions() {
    for endpoint in 0..<options.endpoints { send(.version(endpoint: endpoint), .version) }
  }

  private func versionAnswered(_ answer: EtcdAnswer, _ endpoint: Int) {
    guard case .version(let server, _) = answer else { return }
    versions[endpoint] = server
    if case .refuse(let why) = EtcdVersion.judge(server) { lose(why) }
  }
}

extension EtcdAnswer {
  var header: EtcdHeader? {
    switch self {
    case .txn(let header, _, _), .range(let header, _), .lease(let header, _, _), .done(let header): header
    case .version, .error: nil
    }
  }
}
