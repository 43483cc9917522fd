import Client
import TestSupport
import Testing

@testable import CLI

@Suite struct EventTests {
  private let frame = """
    id: 7
    event: allocate
    data: {"revision":7,"time":"2026-01-01T00:00:00Z","actor":"anonymous","kind":"allocate","changes":[{"type":"allocation","key":"p/10.0.0.2","after":{"owner":"vm-1"}}]}


    """

  @Test func eventsAreCutOutOfPiecesOfAnySize() {
    let text = ": hello\n\n" + frame + "data: a\r\ndata: b\r\n\r\nid: 9\ndata\n\n"
    let whole = [
      ServerEvent(id: "7", kind: "allocate", data: String(frame.split(separator: "\n")[2].dropFirst(6))),
      ServerEvent(id: "7", kind: "message", data: "a\nb"), ServerEvent(id: "9", kind: "message", data: "")
    ]
    for size in [1, 2, 7, 1_000] {
      var parser = EventParser()
      let bytes = Array(text.utf8)
      let found = stride(from: 0, to: bytes.count, by: size).flatMap {
        parser.feed(Array(bytes[$0..<min($0 + size, bytes.count)])) ?? []
      }
      #expect(found == whole, "pieces of \(size)")
    }
  }

  @Test func anEndlessLineIsRefused() {
    var parser = EventParser()
    #expect(parser.feed([UInt8](repeating: 0x61, count: EventParser.lineMax)) != nil)
    #expect(parser.feed([0x61]) == nil)
  }

  private func stream(_ body: String) -> Scripted {
    .raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body)
  }

  @Test func eventsArePrintedAsTheyCome() {
    withServer(ScriptedServer { _ in stream(frame) }) { server in
      let ran = berth("events --limit 1 --pool p", at: server)
      #expect(ran.code == 0)
      #expect(
        ran.out == "7  2026-01-01T00:00:00Z  anonymous  allocate  +allocation p/10.0.0.2 vm-1\n")
      #expect(server.seen[0].target == "/api/v1/events?pool=p")
      #expect(berth("events --limit 1 -o json", at: server).out.hasPrefix("{\"revision\":7,"))
      #expect(berth("events --limit 1 -o name", at: server).out == "7\n")
    }
  }

  @Test func aBrokenStreamGoesOnBehindTheLastEvent() {
    withServer(ScriptedServer(stream(frame), .drop, stream("id: 8\ndata: {}\n\n"))) { server in
      #expect(berth("events --since 6 --limit 2 -o name", at: server).out == "7\n8\n")
      #expect(server.seen.map(\.target) == ["6", "7", "7"].map { "/api/v1/events?since=\($0)" })
    }
  }

  @Test func whatIsNoLongerAtHandIsARefusal() {
    withServer(ScriptedServer(.problem(410, "history_trimmed", "the oldest is 9"))) { server in
      let ran = berth("events --since 1", at: server)
      #expect(ran.code == 1 && ran.err.contains("the oldest is 9"))
    }
  }

  @Test func anExportIsPassedOnUnchanged() {
    withServer(ScriptedServer(.ok("{\"pools\": []}"), .problem(503, "log_unreadable", "no"))) { server in
      #expect(berth("export", at: server).out == "{\"pools\": []}")
      #expect(berth("export", at: server).code == 1)
    }
  }

  @Test func anExportThatBreaksOffIsNoSuccess() {
    let cut = Scripted.raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"pools\"")
    withServer(ScriptedServer(cut)) { server in
      let ran = berth("export", at: server)
      #expect(ran.code == 4 && ran.err.contains("cut off"))
      #expect(server.seen.count == 1)
    }
  }
}
