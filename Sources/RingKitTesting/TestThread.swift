internal import CRing
internal import Glibc
internal import RingKit

/// A thread of the system's own, for a test whose other side polls.
///
/// Tasks will not do: they share a few threads, and one that spins keeps the others from running.
@safe
package final class TestThread: Sendable {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let handle: pthread_t

  /// Starts `body` at once.
  package init(_ body: @escaping @Sendable () -> Void) {
    let argument = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
    var handle = pthread_t()
    let error = unsafe pthread_create(
      &handle, nil,
      { argument in
        // SAFETY: the argument is the Body retained where the thread was started, released here and nowhere else.
        if let argument = unsafe argument { unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, argument)
    precondition(error == 0, "no thread could be started (\(SystemError.text(error)))")
    self.handle = handle
  }

  /// Waits for its end; once.
  package func join() { pthread_join(handle, nil) }
}

/// Runs a body on `count` threads at once and returns when all of them have.
///
/// - Parameters:
///   - count: how many threads.
///   - body: called on each with its number, 0 up to `count`.
package func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let threads = (0..<count).map { number in TestThread { body(number) } }
  for thread in threads { thread.join() }
}

/// A word that both sides of a run look at while they wait, so that neither waits for one that has given up.
@safe
package final class StopFlag: @unchecked Sendable {
  package let word: UnsafeMutablePointer<UInt32>

  package init() {
    unsafe word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    unsafe word.initialize(to: 0)
  }

  deinit { unsafe word.deallocate() }

  package var isRaised: Bool { unsafe cring_load_acquire_32(word) != 0 }

  package func raise() { unsafe cring_store_release_32(word, 1) }
}
