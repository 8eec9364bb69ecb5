/// What a ``ViommuServer`` says to a request.
public enum ViommuStatus: UInt16, Sendable, CaseIterable {
  /// Done.
  case done = 0
  /// The request is none that this connection may make.
  case notAllowed = 1
  /// A range, an address or a permission that cannot be.
  case badRequest = 2
  /// A page of the range is mapped already; nothing was changed.
  case alreadyMapped = 3
  /// A page of the range, or the page asked for, is not mapped; what else was to be unmapped is.
  case notMapped = 4
  /// No memory for another table; nothing was changed.
  case exhausted = 5
}

extension ViommuStatus: CustomStringConvertible {
  /// A few words.
  public var description: String {
    switch self {
    case .done: "done"
    case .notAllowed: "this side may not ask for that"
    case .badRequest: "a range, address or permission that cannot be"
    case .alreadyMapped: "a page is mapped already"
    case .notMapped: "a page is not mapped"
    case .exhausted: "no memory left for page tables"
    }
  }
}
