internal import Glibc

/// A thread of the system's own, for a test whose other side polls.
///
/// Tasks will not do: they share a few threads, and one that spins keeps the others from running.
@safe
public final class TestThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let handle: pthread_t

  /// Starts `body` at once.
  public init(_ body: @escaping @Sendable () -> Void) {
    let argument = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
    var handle = pthread_t()
    let error = unsafe pthread_create(
      &handle, nil,
      { argument in
        // SAFETY: the argument is the Body retained by whoever started the thread, released here and nowhere else.
        if let argument = unsafe argument { unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument)
    precondition(error == 0, "no thread could be started (errno \(error))")
    self.handle = handle
  }

  /// Waits for its end; once.
  public func join() { pthread_join(handle, nil) }
}
