internal import Glibc

/// Runs a body on `count` threads at once and returns when all of them have.
///
/// - Parameters:
///   - count: how many threads.
///   - body: called on each with its number, 0 up to `count`.
public func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let threads = (0..<count).map { number in
    var thread = pthread_t()
    let work = unsafe Unmanaged.passRetained(ThreadBody { body(number) }).toOpaque()
    let error = unsafe pthread_create(
      &thread, nil,
      { argument in
        // SAFETY: the argument is the retained ThreadBody that the creator passed, and is taken back once.
        if let argument = unsafe argument {
          unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
        }
        return nil
      }, work)
    precondition(error == 0, "no thread could be started (errno \(error))")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
