// Events: the log as it grows, to everybody who listens.
//
// One feeder thread, woken when the engine has published, reads the log and writes to streams. Each subscriber has
// its own place in the log, so a slow one delays nobody, and a page is read and rendered once for all who stand at
// it; all who are at the head stand at the same. What a subscriber has not taken yet stays in the log, not in memory:
// its stream holds a few hundred kilobytes and it gets more when that is gone. One that takes nothing for a while is
// dropped; it comes back with `Last-Event-ID`.
//
// Nobody sees an entry before the published tables have it: an event followed by a GET never shows the past.
//
// Refused: pushing from the engine's thread (a thousand sockets on the way of every commit), a queue per subscriber
// (the log is one).
package import Domain
package import Log
internal import Platform
internal import Synchronization

/// What the feed may be told.
package struct EventOptions: Sendable {
  /// The most subscribers at a time.
  package var maxSubscribers = 1_000
  /// Of those, the most of one tenant or one pool, however many tokens it has. Who may see the whole is not counted apart.
  package var maxSubscribersEach = 250
  /// A comment is sent when nothing else was for this long.
  package var keepAlive: Duration = .seconds(15)
  /// A reader that takes nothing for this long while much waits for it is dropped.
  package var stallLimit: Duration = .seconds(10)

  /// The defaults.
  package init() {}
}

/// Why somebody cannot listen.
package enum EventRefusal: Hashable, Sendable {
  /// As many listen as may.
  case full
  /// As many listen as may of this tenant, or this pool.
  case fullOf(String)
  /// Its revision is above the newest, which is given.
  case ahead(Revision)
  /// What comes after its revision is trimmed; the oldest at hand is given.
  case trimmed(Revision)
  /// The log cannot be read.
  case unreadable(String)
  /// The feed has stopped.
  case stopping
}

/// The feeder thread and its subscribers.
// Unchecked because `lock` guards `shared`, and the rest belongs to the feeder's thread.
package final class EventFeed: @unchecked Sendable {
  // Unchecked because the compiler cannot see the rule: `shared` is guarded by `lock`, the rest of what changes is
  // the feeder's alone.
  private static let entriesPerPage = 256
  private static let pagesKept = 4
  /// How long the feeder naps when everybody who is behind has enough to read.
  private static let pace = Duration.milliseconds(20)

  private struct Newcomer {
    let filter: EventFilter
    let since: Revision?
    let accept: @Sendable () -> any EventSink
    let refuse: @Sendable (EventRefusal) -> Void
  }

  private struct Shared {
    var newcomers: [Newcomer] = []
    var members = 0
    /// Of those, by whose share they take.
    var sharers: [String: Int] = [:]
    var published: Revision
    var isStopping = false

    mutating func join(_ sharer: String?) {
      members += 1
      if let sharer { sharers[sharer, default: 0] += 1 }
    }

    mutating func leave(_ sharer: String?) {
      members -= 1
      guard let sharer, let count = sharers[sharer] else { return }
      sharers[sharer] = count > 1 ? count - 1 : nil
    }
  }

  private let options: EventOptions
  private let lock = Lock()
  private let changed = Condition()
  private var shared: Shared
  private var thread: Thread?
  private let published: @Sendable () -> Revision
  private let newest: @Sendable () -> Revision
  private let isAlive: @Sendable (Visibility) -> Bool
  private let cursor: LogCursor
  private var subscribers: [EventSubscriber] = []
  private var pages: [EventPage] = []

  /// Starts the feeder; `published` gives the revision that readers of the log find, `notify` wakes it when there is a
  /// later one; `newest` gives what readers of the tables see, which in a cluster may be later still.
  package init(
    published: @escaping @Sendable () -> Revision, newest: (@Sendable () -> Revision)? = nil,
    options: EventOptions = EventOptions(), isAlive: @escaping @Sendable (Visibility) -> Bool = { _ in true },
    _ open: @escaping @Sendable () throws(LogFault) -> any BatchReader
  ) {
    (self.options, self.published, self.newest, self.isAlive) = (options, published, newest ?? published, isAlive)
    shared = Shared(published: published())
    cursor = LogCursor(open)
    thread = Thread(name: "berth-events") { self.run() }
  }

  /// Tells that entries up to `revision` are published; cheap, for the engine's thread.
  package func notify(_ revision: Revision) {
    lock.withLock {
      shared.published = max(shared.published, revision)
      if shared.members > 0 { changed.signal() }
    }
  }

  /// How many listen, those included who wait to be let in.
  package var subscriberCount: Int { lock.withLock { shared.members } }

  /// Lets somebody listen from after `since` (nil = from now on): calls one of the two, here or on the feeder's thread.
  package func subscribe(
    _ filter: EventFilter, since: Revision?, accept: @escaping @Sendable () -> any EventSink,
    refuse: @escaping @Sendable (EventRefusal) -> Void
  ) {
    // Asked for here, because whoever was just answered may come before the feeder has heard of it.
    let revision = published()
    let sharer = filter.visibility.sharer
    let refusal = lock.withLock { () -> EventRefusal? in
      shared.published = max(shared.published, revision)
      if shared.isStopping { return .stopping }
      if shared.members >= options.maxSubscribers { return .full }
      if let sharer, shared.sharers[sharer, default: 0] >= options.maxSubscribersEach { return .fullOf(sharer) }
      shared.join(sharer)
      shared.newcomers.append(Newcomer(filter: filter, since: since, accept: accept, refuse: refuse))
      changed.signal()
      return nil
    }
    if let refusal { refuse(refusal) }
  }

  /// Ends all streams and the thread; called once.
  package func stop() {
    lock.withLock {
      shared.isStopping = true
      changed.signal()
    }
    thread?.join()
    thread = nil
  }

  // MARK: The feeder's thread

  private func run() {
    var published: Revision = 0
    var hasMoved = false
    while true {
      let (now, newcomers) = wait(seen: published, isBusy: hasMoved)
      guard let now else {
        for newcomer in newcomers { newcomer.refuse(.stopping) }
        for subscriber in subscribers { subscriber.sink.close() }
        return
      }
      published = now
      for newcomer in newcomers { admit(newcomer, published) }
      hasMoved = round(published)
      prune(published)
    }
  }

  /// Waits until there is something to do; no revision = stop.
  private func wait(seen: Revision, isBusy: Bool) -> (Revision?, [Newcomer]) {
    let isSomebodyBehind = subscribers.contains { $0.isBehind(seen) }
    return lock.withLock {
      if !isBusy, shared.newcomers.isEmpty, shared.published == seen, !shared.isStopping {
        if isSomebodyBehind {
          _ = changed.wait(lock, timeout: Self.pace)
        } else if subscribers.isEmpty {
          changed.wait(lock)
        } else {
          // Also the moment to find out who has gone; a tenth of the interval keeps both prompt enough.
          _ = changed.wait(lock, timeout: options.keepAlive / 10)
        }
      }
      defer { shared.newcomers = [] }
      return (shared.isStopping ? nil : shared.published, shared.newcomers)
    }
  }

  private func admit(_ newcomer: Newcomer, _ published: Revision) {
    if let refusal = refusal(of: newcomer, published) {
      lock.withLock { shared.leave(newcomer.filter.visibility.sharer) }
      return newcomer.refuse(refusal)
    }
    // Before the answer: whoever has that may write, and is to hear of it.
    let next = (newcomer.since ?? max(published, newest())) + 1
    var subscriber = EventSubscriber(newcomer.accept(), newcomer.filter, next: next)
    subscriber.greet(published)
    subscribers.append(subscriber)
  }

  private func refusal(of newcomer: Newcomer, _ published: Revision) -> EventRefusal? {
    guard let since = newcomer.since else { return nil }
    guard since <= published || since <= newest() else { return .ahead(published) }
    do throws(LogFault) {
      let oldest = try cursor.oldest()
      return since + 1 < oldest ? .trimmed(oldest) : nil
    } catch {
      return .unreadable("\(error)")
    }
  }

  /// Gives each subscriber at most one page; true if anybody moved on. Whoever lost the right to listen gets none that
  /// was published after that.
  private func round(_ published: Revision) -> Bool {
    var hasMoved = false
    for index in subscribers.indices where subscribers[index].isBehind(published) && subscribers[index].hasRoom {
      guard isAlive(subscribers[index].filter.visibility) else { continue }
      do throws(LogFault) {
        let page = try page(with: subscribers[index].next, upTo: published)
        if subscribers[index].take(page, upTo: published) { hasMoved = true }
      } catch {
        // Trimmed under a reader that stood still for that long, or damaged: it asks again and is told which.
        subscribers[index].sink.close()
      }
    }
    return hasMoved
  }

  private func page(with revision: Revision, upTo published: Revision) throws(LogFault) -> EventPage? {
    guard revision <= published else { return nil }
    if let found = pages.last(where: { $0[revision] != nil }) { return found }
    let entries = try cursor.entries(from: revision, limit: Self.entriesPerPage)
    guard !entries.isEmpty else { throw .trimmed(oldest: try cursor.oldest()) }
    let page = EventPage(entries)
    pages.append(page)
    if pages.count > Self.pagesKept { pages.removeFirst() }
    return page
  }

  /// Drops who takes nothing, forgets who has gone, and greets who has heard nothing for long.
  private func prune(_ published: Revision) {
    let now = MonotonicTime.now
    for index in subscribers.indices {
      if subscribers[index].isStalled(now, limit: options.stallLimit) { subscribers[index].sink.drop() }
      if !isAlive(subscribers[index].filter.visibility) { subscribers[index].sink.close() }
      subscribers[index].keepAlive(now, every: options.keepAlive, at: published)
    }
    var gone: [String?] = []
    subscribers.removeAll { subscriber in
      // Asked once: it may close at any time.
      if subscriber.sink.isOpen { return false }
      gone.append(subscriber.filter.visibility.sharer)
      return true
    }
    if subscribers.isEmpty { pages = [] }
    if !gone.isEmpty { lock.withLock { for sharer in gone { shared.leave(sharer) } } }
  }
}
