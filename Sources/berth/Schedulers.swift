import Advisers
import CLI
import Client

extension SchedulerOptions {
  /// What the settings say.
  init(_ settings: SchedulerSettings) {
    self.init(
      settings.name, settings.address.endpoint, isEncrypted: settings.address.isEncrypted, path: settings.path)
    (weight, timeout) = (settings.weight, settings.timeout)
    (filters, scores) = (settings.filters, settings.scores)
  }
}
