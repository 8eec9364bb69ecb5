internal import Glibc

/// A thread of the system's own, for what polls or waits: tasks share a few threads, and one that waits keeps the
/// others from running.
@safe
package final class SystemThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let handle: pthread_t

  /// Starts `body` at once.
  ///
  /// - Throws: ``MemoryError/system(operation:errno:)`` when the process may have no more threads.
  package init(_ body: @escaping @Sendable () -> Void) throws(MemoryError) {
    let argument = unsafe Unmanaged.passRetained(Body(body))
    var handle = pthread_t()
    let error = unsafe pthread_create(
      &handle, nil,
      { argument in
        // SAFETY: the argument is the Body retained where the thread was started, released here and nowhere else.
        if let argument = unsafe argument { unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument.toOpaque())
    guard error == 0 else {
      unsafe argument.release()
      throw .system(operation: "starting a thread", errno: error)
    }
    self.handle = handle
  }

  /// Waits for its end; once.
  package func join() { pthread_join(handle, nil) }
}
