/// Why a device stopped serving in the middle of a batch.
public enum ServeError<Failure: Error>: Error {
  /// The ring could not go on.
  case queue(QueueError)
  /// The device's own code threw.
  case body(Failure)
}
