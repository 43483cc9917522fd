internal import APITypes
internal import Addressing
internal import Domain
internal import Engine
internal import HTTPServer
internal import Ledger
internal import Wire

extension Tables {
  /// A VM's interfaces as its guest has them.
  func interfaces(of vm: VM) -> [GuestInterface] {
    let held = grants(of: vm)
    return vm.spec.interfaces.map { item in
      let own = held.filter { $0.allocation.interface == item.name }
      let addresses = own.map { grant in
        let pool = pools[grant.allocation.pool]?.pool
        var address = GuestAddress(
          grant.allocation.ip, prefixLength: grant.network.length, pool: grant.allocation.pool)
        (address.gateway, address.dns, address.vlan, address.mtu) = (
          grant.gateway, pool?.dns ?? [], pool?.vlan, pool?.mtu
        )
        return address
      }
      return GuestInterface(
        name: item.name, mac: own.first?.allocation.mac ?? vm.mac(of: item.name), addresses: addresses)
    }
  }
}

/// What the guest of a VM is told of its network.
@Sendable func vmNetwork(_ call: Call) throws(Problem) {
  let key = try call.vmKey()
  let (found, revision) = call.api.engine.read { tables in
    (tables.vm(key).map { tables.interfaces(of: $0) }, tables.revision)
  }
  guard let interfaces = found else { throw .noVM(key) }
  let answer = Rendered { out in
    out.object { out in
      out.field("tenant", key.tenant)
      out.field("name", key.name)
      out.field("interfaces", interfaces)
      out.field("kernel_argument", interfaces.kernelArgument(of: key.name))
      out.field("network_config", interfaces.networkConfig)
    }
  }
  call.send(answer.body, revision: revision)
}
