import Testing

@testable import AgentHost

@Suite struct EventWatchTests {
  @Test func anEventNamesTheNodesThatItConcerns() {
    func event(_ changes: String) -> Set<String> { EventWatch.nodes(in: #"{"revision":7,"changes":[\#(changes)]}"#) }
    #expect(
      event(#"{"type":"vm","key":"default/a","after":{"state":"placed","node":"n-1","leaving":null}}"#) == ["n-1"])
    #expect(
      event(
        #"{"type":"vm","after":{"state":"migrating","node":"n-2","leaving":"n-1"}},"#
          + #"{"type":"allocation","after":{"node":"n-9"}},{"type":"vm","before":{"state":"stopping","node":"n-3"}}"#)
        == ["n-1", "n-2", "n-3"])
    // What a node has told itself is no news to it.
    #expect(event(#"{"type":"vm","after":{"state":"running","node":"n-1"}}"#).isEmpty)
    // The row may stand before its type, and what is cut off names nobody.
    let other = #"{"changes":[{"after":{"why":"\"node\":\"n-7\"","node":"n-1","state":"placed"},"type":"vm"}]}"#
    #expect(EventWatch.nodes(in: other) == ["n-1"])
    for length in 0..<other.utf8.count { #expect(EventWatch.nodes(in: String(other.prefix(length))).isEmpty) }
    #expect(EventWatch.nodes(in: "no JSON").isEmpty)
  }
}
