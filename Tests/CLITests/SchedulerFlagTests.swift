import Testing

@testable import CLI

@Suite struct SchedulerFlagTests {
  @Test func aSchedulerIsReadWithAllThatMayBeSaid() throws {
    let one = try SchedulerSettings("gpu=http://127.0.0.1:9000/ask?x=1 weight=3 timeout=150ms only=score")
    #expect(one.name == "gpu" && one.path == "/ask?x=1" && one.weight == 3 && one.timeout == .milliseconds(150))
    #expect(!one.filters && one.scores && !one.address.isEncrypted && "\(one.address.endpoint)" == "127.0.0.1:9000")
    let plain = try SchedulerSettings("licence=https://host")
    #expect(plain.path == "/" && plain.weight == 1 && plain.timeout == .milliseconds(200))
    #expect(plain.filters && plain.scores && plain.address.isEncrypted && "\(plain.address.endpoint)" == "host:443")
    #expect(try SchedulerSettings("a=http://host only=filter").scores == false)
  }

  @Test(arguments: [
    ("", "needs a name and a place"), ("gpu", "needs a name and a place"), ("GPU=http://h", "a name is"),
    ("gpu=127.0.0.1:9000", "begins with http://"), ("gpu=http://", "its place"), ("gpu=http://h:99999/x", "its place"),
    ("gpu=http://h/#x", "percent-encoded"), ("gpu=http://h weight=0", "weight is 1 to 10"),
    ("gpu=http://h weight=11", "weight is 1 to 10"), ("gpu=http://h timeout=5ms", "timeout is 10ms to 5s"),
    ("gpu=http://h timeout=6s", "timeout is 10ms to 5s"), ("gpu=http://h only=all", "only is filter or score"),
    ("gpu=http://h weight=1 weight=2", "is there twice"), ("gpu=http://h colour=red", "there is no 'colour'")
  ])
  func whatCannotBeMeantIsRefused(text: String, sentence: String) {
    let failure = #expect(throws: Failure.self) { try SchedulerSettings(text) }
    #expect(failure?.sentence.contains(sentence) == true, "\(failure?.sentence ?? "")")
  }

  @Test func thereAreAtMostFourWithNamesOfTheirOwnAndTenOfWeight() throws {
    let places = (1...5).map { "s\($0)=http://h" }
    #expect(try SchedulerSettings.all(Array(places.prefix(4))).count == 4)
    #expect(throws: Failure.self) { try SchedulerSettings.all(places) }
    #expect(throws: Failure.self) { try SchedulerSettings.all(["a=http://h", "a=http://i"]) }
    #expect(throws: Failure.self) { try SchedulerSettings.all(["a=http://h weight=6", "b=http://h weight=5"]) }
    #expect(try SchedulerSettings.all(["a=http://h weight=10", "b=http://h weight=5 only=filter"]).count == 2)
  }
}
