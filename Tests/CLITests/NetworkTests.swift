import TestSupport
import Testing

@testable import CLI

private let config = #"version: 2\nethernets:\n  \"eth0\":\n    set-name: \"eth0\"\n"#
private let argument = "ip=10.1.0.9::10.1.0.1:255.255.0.0:web-1:eth0:off"

private func network(_ config: String?, _ argument: String?) -> String {
  func text(_ value: String?) -> String { value.map { "\"\($0)\"" } ?? "null" }
  let addresses = [
    #"{"ip":"10.1.0.9","prefix_length":16,"gateway":"10.1.0.1","dns":["10.1.0.53"],"vlan":120,"mtu":9000,"pool":"edge"}"#,
    #"{"ip":"2001:db8::9","prefix_length":64,"gateway":null,"dns":[],"vlan":120,"mtu":null,"pool":"edge6"}"#
  ]
  return
    #"{"tenant":"default","name":"web-1","interfaces":[{"name":"eth0","mac":"02:00:00:00:80:00","addresses":["#
    + addresses.joined(separator: ",") + #"]},{"name":"san","mac":"52:54:00:12:34:56","addresses":[]}],"#
    + #""kernel_argument":\#(text(argument)),"network_config":\#(text(config))}"#
}

@Suite struct NetworkCommandTests {
  @Test func theNetworkOfAGuestIsATable() {
    let answer = network(config, argument)
    withServer(ScriptedServer { _ in .ok(answer) }) { server in
      let ran = berth("vm network web-1 --tenant acme", at: server)
      #expect(
        ran.out == """
          INTERFACE  MAC                ADDRESSES                   GATEWAY   DNS        VLAN   MTU  POOL
          eth0       02:00:00:00:80:00  10.1.0.9/16,2001:db8::9/64  10.1.0.1  10.1.0.53   120  9000  edge,edge6
          san        52:54:00:12:34:56

          """, "\(ran.out)")
      #expect(server.seen[0].method == "GET" && server.seen[0].target == "/api/v1/vms/web-1/network?tenant=acme")
      #expect(berth("vm network web-1 -o json", at: server).out == answer + "\n")
      #expect(berth("vm network web-1 -o name", at: server).out == "eth0\nsan\n")
    }
  }

  @Test func aScriptGetsTheTextAlone() {
    withServer(ScriptedServer { _ in .ok(network(config, argument)) }) { server in
      let ran = berth("vm network web-1 --cloud-init", at: server)
      #expect(ran.out == "version: 2\nethernets:\n  \"eth0\":\n    set-name: \"eth0\"\n" && ran.err.isEmpty)
      #expect(berth("vm network web-1 --kernel", at: server).out == argument + "\n")
      let both = berth("vm network web-1 --kernel --cloud-init", at: server)
      #expect(both.code == 2 && both.err.contains("ask for one"), "\(both.err)")
    }
    // A server that lies commands no terminal.
    withServer(ScriptedServer { _ in .ok(network(#"a\u001b[2Jb\nc"#, nil)) }) { server in
      #expect(berth("vm network web-1 --cloud-init", at: server).out == "a?[2Jb\nc\n")
    }
  }

  @Test func whatThereIsNotIsAnErrorAndNotAnEmptyFile() {
    withServer(ScriptedServer { _ in .ok(network(nil, nil)) }) { server in
      let config = berth("vm network web-1 --cloud-init", at: server)
      #expect(config.code == 1 && config.out.isEmpty && config.err.contains("has no address yet"), "\(config.err)")
      #expect(config.err.contains("berth vm why web-1"))
      let kernel = berth("vm network web-1 --kernel", at: server)
      #expect(kernel.code == 1 && kernel.out.isEmpty && kernel.err.contains("--cloud-init"), "\(kernel.err)")
    }
  }
}
