// Wire: bytes to values and back, and nothing else.
//
// Two languages live here: JSON and the text of HTTP/1.1. Both are read the strict way, because whatever two
// readers understand differently is a hole between them: a duplicate key that one takes from the front and
// another from the back, a body whose length a proxy counts otherwise than we do. So there is one meaning or a
// refusal, and a refusal is a value with the byte where it happened and a sentence for the person who sent it.
//
// Invariants: no socket, no clock, no state between two calls; memory and time grow with the input and stop at
// named limits (`JSONLimits`, the head's limits); every byte is looked at once, apart from escaped text.
// Text is valid UTF-8 or it is refused; integers keep their exact digits, since capacities of IPv6 pools do not
// fit a double.
//
// JSON is read by pulling: the caller says what it expects next and no tree is made, which is also what makes
// an unknown field an error with a path instead of something quietly skipped. `JSONValue` is the tree, for those
// who print or compare documents rather than decode them.
//
// Refused: Codable (it allocates for each field, cannot see duplicate keys and brings Foundation), repairing
// input, comments, NaN, and a `skip` for fields that nobody asked for.
