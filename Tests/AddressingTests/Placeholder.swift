import Testing
import Addressing
@Test func smoke() throws {
  for t in [
    "1.2.3.4", "::", "::1", "2001:db8::1", "1::", "1:0:0:2::3", "fe80:0:0:1:0:0:0:1", "1:2:3:4:5:6:7:8",
    "64:ff9b::1.2.3.4"
  ] { print(t, IPAddress(t)?.description ?? "nil") }
  for t in [
    "01.2.3.4", "1.2.3", "::ffff:1.2.3.4", ":::", "1:::2", "1:2:3:4:5:6:7::8", "1:2:3:4:5:6:7:8:9", "1.2.3.4 ",
    "1.2.3.256", "1:2:3:4:5:6:7:"
  ] { print(t, IPAddress(t)?.description ?? "nil") }
}
