import CRing
import Glibc
import Synchronization

/// A thread that stays on one CPU and hands back a value.
///
/// Not for anything that is not measured: it owns its CPU for as long as it spins.
package final class PinnedThread<Value: Sendable>: Sendable {
  private let state: State
  private let handle: Mutex<pthread_t?>

  private final class State: PinnedThreadBody {
    // The errno of pinning, or -1 until it is known.
    let pinned = Atomic<Int32>(-1)
    let result = Mutex<Value?>(nil)
    let cpu: Int
    let body: @Sendable () -> Value

    init(cpu: Int, body: @escaping @Sendable () -> Value) {
      self.cpu = cpu
      self.body = body
    }

    func run() {
      let error = cring_pin_to_cpu(Int32(clamping: cpu))
      // Pairs with the acquiring load in `init`.
      pinned.store(error, ordering: .releasing)
      guard error == 0 else { return }
      let value = body()
      result.withLock { $0 = value }
    }
  }

  /// Starts `body` on `cpu` and returns once the thread is there; a thread that cannot be pinned never runs `body`.
  package init(cpu: Int, body: @escaping @Sendable () -> Value) throws(BenchError) {
    let state = State(cpu: cpu, body: body)
    // SAFETY: the retained state is released exactly once, by the thread, or below when there is no thread.
    let argument = unsafe Unmanaged.passRetained(state as AnyObject)
    var thread = pthread_t()
    let error = unsafe pthread_create(
      &thread, nil,
      { pointer in
        guard let pointer = unsafe pointer else { return nil }
        let object = unsafe Unmanaged<AnyObject>.fromOpaque(pointer).takeRetainedValue()
        (object as? any PinnedThreadBody)?.run()
        return nil
      }, argument.toOpaque())
    guard error == 0 else {
      unsafe argument.release()
      throw .machine("cannot start a thread: \(Errno.text(error))")
    }
    self.state = state
    handle = Mutex(thread)
    while state.pinned.load(ordering: .acquiring) < 0 { usleep(20) }
    let failure = state.pinned.load(ordering: .acquiring)
    guard failure == 0 else {
      pthread_join(thread, nil)
      throw .machine("cannot pin a thread to CPU \(cpu): \(Errno.text(failure))")
    }
  }

  /// Whether the body has returned.
  package var isFinished: Bool { state.result.withLock { $0 != nil } }

  /// Waits for the thread and returns what its body returned; called once.
  package func join() -> Value {
    let thread = handle.withLock { handle in
      defer { handle = nil }
      return handle
    }
    guard let thread else { preconditionFailure("a pinned thread is joined once") }
    pthread_join(thread, nil)
    guard let value = state.result.withLock({ $0 }) else {
      preconditionFailure("a pinned thread that started has a result")
    }
    return value
  }
}

/// What the C entry point of a ``PinnedThread`` calls: a function pointer cannot carry the thread's type.
protocol PinnedThreadBody: AnyObject, Sendable {
  func run()
}
