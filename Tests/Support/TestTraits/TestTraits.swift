internal import Synchronization
package import Testing

/// Lets the cases of the suites that have it run one at a time, whichever test target they are in.
///
/// For suites whose cases run two polling threads or a process each: several of them at once starve each other. They
/// come after the tests that need one CPU, of which as many run at once as there are CPUs.
package struct OneAtATime: SuiteTrait, TestTrait, TestScoping {
  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    await letTheOthersBegin()
    await turnstile.enter()
    defer { turnstile.leave() }
    try await function()
  }
}

extension Trait where Self == OneAtATime {
  /// One case at a time, of all suites that have this trait.
  package static var oneAtATime: OneAtATime { OneAtATime() }
}

/// Lets tests run when few others are left.
///
/// For tests that wait for a process of their own: among hundreds of others what became of it would not be fetched for
/// minutes, during which the library's thread that waits for such processes uses a CPU.
package struct AfterTheOthers: SuiteTrait, TestTrait, TestScoping {
  package var isRecursive: Bool { true }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    await letTheOthersBegin()
    try await function()
  }
}

extension Trait where Self == AfterTheOthers {
  /// When few others are left.
  package static var afterTheOthers: AfterTheOthers { AfterTheOthers() }
}

/// Each time to the end of the queue, where the other tests are already; few of them take more steps than this.
private func letTheOthersBegin() async { for _ in 0..<100 { await Task.yield() } }

private final class Turnstile: Sendable {
  private let state = Mutex<(isTaken: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

  func enter() async {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        defer { state.isTaken = true }
        if state.isTaken { state.waiting.append(continuation) }
        return !state.isTaken
      }
      if isFree { continuation.resume() }
    }
  }

  func leave() {
    let next = state.withLock { state in
      if state.waiting.isEmpty {
        state.isTaken = false
        return nil as CheckedContinuation<Void, Never>?
      }
      return state.waiting.removeFirst()
    }
    next?.resume()
  }
}

private let turnstile = Turnstile()
