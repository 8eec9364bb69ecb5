internal import CRing
internal import RingKit

/// A thread for a test whose other side polls.
package final class TestThread: Sendable {
  private let thread: SystemThread

  /// Starts `body` at once.
  package init(_ body: @escaping @Sendable () -> Void) {
    do throws(MemoryError) { thread = try SystemThread(body) } catch { preconditionFailure("\(error)") }
  }

  /// Waits for its end; once.
  package func join() { thread.join() }
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
