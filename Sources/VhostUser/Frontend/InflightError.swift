/// What is wrong with the memory that a back-end gave for its notes of what is in flight.
public enum InflightError: Error, Equatable, Sendable {
  /// It is for other queues than were asked for.
  case shape(queues: UInt16, of: UInt16, wantedQueues: UInt16, wantedSize: UInt16)
  /// So many bytes are too few for the notes, or more than any notes take.
  case byteCount(UInt64, needed: UInt64, limit: UInt64)
  /// The descriptor is of no file that holds it, where it is said to lie.
  case file(VhostUserError)
}

extension InflightError: CustomStringConvertible {
  /// One sentence that names the value.
  public var description: String {
    switch self {
    case .shape(let queues, let size, let wantedQueues, let wantedSize):
      "inflight memory for \(queues) queues of \(size) came; \(wantedQueues) of \(wantedSize) were asked for"
    case .byteCount(let count, let needed, let limit):
      "inflight memory of \(count) bytes came; it has \(needed) to \(limit)"
    case .file(.memory(let error)): "the inflight memory's file does not hold it: \(error)"
    case .file(let error): "the inflight memory cannot be used: \(error)"
    }
  }
}
