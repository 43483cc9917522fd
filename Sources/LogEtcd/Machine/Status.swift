package import Log

extension EtcdMachine {
  /// How things are, for health checks and people.
  package var status: SharedLogStatus {
    var status = SharedLogStatus()
    status.leader = lead.holder?.leader
    status.leads = lead.isLeading
    if case .lost(let why) = phase { status.lost = why }
    for version in versions.compactMap({ $0 }) {
      status.storeVersion = version
      if case .warn(let why) = EtcdVersion.judge(version), !status.warnings.contains(why) {
        status.warnings.append(why)
      }
    }
    status.sinceAnswer = lastAnswer.map { now - $0 }
    status.counters = EtcdCount.allCases.map { SharedLogStatus.Counted(name: $0.name, count: counts[$0.rawValue]) }
    return status
  }

  /// The end of the log as far as it has been told.
  package var toldHead: LogHead { head }
}
