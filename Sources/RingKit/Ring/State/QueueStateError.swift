/// Why a queue's state could not be saved or restored.
///
/// Whatever is thrown, the queue that was to be saved goes on as before.
public enum QueueStateError: Error, Equatable, Sendable {
  /// It is not a state of this format and version.
  case foreign(field: String, found: String, expected: String)
  /// The field is missing, of another type, or not what was saved.
  case damaged(field: String)
  /// The field contradicts the others, or the specification.
  case invalid(field: String, reason: String)
  /// The field is of another queue than the one to be made of it.
  case mismatch(field: String, found: String, expected: String)
  /// The queue is broken: what is in flight cannot be told.
  case broken
  /// The caller knows no segments for a buffer that is in flight.
  case undescribed(token: UInt64)
  /// The caller describes a buffer otherwise than it was added.
  case misdescribed(token: UInt64, reason: String)
  /// The caller holds other chains than the ones that were fetched and not completed.
  case wrongChains(reason: String)
  /// A mapping cannot be carried over, or not be taken over.
  case mapping(token: UInt64, DMAError)
  /// A chain that was fetched from the source does not lead to memory here.
  case chain(id: UInt16, QueueError)
}

extension QueueStateError {
  package static func foreign(_ field: QueueState.Field, found: String, expected: String) -> QueueStateError {
    .foreign(field: field.rawValue, found: found, expected: expected)
  }

  package static func damaged(_ field: QueueState.Field) -> QueueStateError { .damaged(field: field.rawValue) }

  package static func invalid(_ field: QueueState.Field, reason: String) -> QueueStateError {
    .invalid(field: field.rawValue, reason: reason)
  }

  package static func mismatch(_ field: QueueState.Field, found: String, expected: String) -> QueueStateError {
    .mismatch(field: field.rawValue, found: found, expected: expected)
  }

  /// The field that is wrong, where it is one.
  package var field: QueueState.Field? {
    switch self {
    case .foreign(let field, _, _), .damaged(let field), .invalid(let field, _), .mismatch(let field, _, _):
      QueueState.Field(rawValue: field)
    default: nil
    }
  }
}

extension QueueStateError: CustomStringConvertible {
  /// One sentence that names the field.
  public var description: String {
    switch self {
    case .foreign(let field, let found, let expected):
      "queue state: \(field) is \(String(printable: found.utf8)), this reads \(expected)"
    case .damaged(let field): "queue state: \(field) is missing or damaged"
    case .invalid(let field, let reason): "queue state: \(field): \(reason)"
    case .mismatch(let field, let found, let expected): "queue state: \(field) is \(found), the queue has \(expected)"
    case .broken: "the queue is broken, so its state cannot be saved: reset it"
    case .undescribed(let token): "the buffer with token \(token) is in flight and was not described"
    case .misdescribed(let token, let reason): "the buffer with token \(token) was described wrongly: \(reason)"
    case .wrongChains(let reason): "the chains held by the device: \(reason)"
    case .mapping(let token, let error): "the buffer with token \(token): \(error)"
    case .chain(let id, let error): "the chain with id \(id): \(error)"
    }
  }
}
