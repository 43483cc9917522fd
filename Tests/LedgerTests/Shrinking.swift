/// Drops steps of a failing sequence for as long as what is left still fails; `failure` tells why one does.
func shrunk<Step>(
  _ steps: [Step], _ why: String, failure: ([Step]) -> String?
) -> (steps: [Step], why: String) {
  var (steps, why) = (steps, why)
  var place = 0
  while place < steps.count {
    var fewer = steps
    fewer.remove(at: place)
    if let still = failure(fewer) { (steps, why, place) = (fewer, still, 0) } else { place += 1 }
  }
  return (steps, why)
}
