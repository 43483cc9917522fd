import Addressing
import TestSupport
import Testing

@Suite struct MACAddressTests {
  @Test func bothSeparatorsAndBothCasesAreTheSameAddress() {
    let expected = MACAddress(bits: 0x0200_5E10_00FF)
    for text in ["02:00:5e:10:00:ff", "02:00:5E:10:00:FF", "02-00-5e-10-00-ff", "02-00-5E-10-00-Ff"] {
      #expect(MACAddress(text) == expected)
    }
    #expect(expected.description == "02:00:5e:10:00:ff")
  }

  @Test(arguments: [
    "", "02:00:5e:10:00", "02:00:5e:10:00:0", "02:00:5e:10:00:011", "02:00:5e:10:00:01:", "02:00-5e:10:00:01",
    "02:00:5e:10:00-01", "0200.5e10.0001", "02005e100001", "02 00 5e 10 00 01", "g2:00:5e:10:00:01",
    "02:00:5e:10:00:0g",
    " 2:00:5e:10:00:01", "02:00:5e:10:00:é"
  ])
  func otherTextIsRefused(text: String) { #expect(MACAddress(text) == nil) }

  @Test func everyByteInEveryPlaceComesBack() {
    for place in 0..<6 {
      for byte in UInt64(0)..<256 {
        let address = MACAddress(bits: byte << UInt64(8 * place))
        #expect(MACAddress(address.description) == address)
      }
    }
  }

  /// IEEE 802: the lowest bit of the first byte says group.
  @Test func groupsAndZeroAreNotUnicast() {
    #expect(MACAddress("02:00:00:00:00:01")!.isUnicast && MACAddress("00:16:3e:00:00:00")!.isUnicast)
    #expect(!MACAddress("01:00:5e:00:00:01")!.isUnicast && !MACAddress("ff:ff:ff:ff:ff:ff")!.isUnicast)
    #expect(!MACAddress("00:00:00:00:00:00")!.isUnicast)
  }

  @Test func orderIsByNumber() {
    #expect(MACAddress(bits: 9) < MACAddress(bits: 0x10) && MACAddress(bits: 1 << 47) > MACAddress(bits: 1 << 46))
  }
}
