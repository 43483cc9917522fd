import Domain
import Placement

extension Ledger {
  func plan(_ question: WhatIf, _ context: Context) throws(Rejection) -> Decided {
    throw .invalid("plan", "is not answered yet")
  }
}
