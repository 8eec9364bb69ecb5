import Glibc
import RingKitTesting
import Synchronization

/// Where a driver's thread changes what is in flight exactly between two looks of the device's thread.
///
/// Without it the change is a matter of time, and a busy machine misses it.
/// Neither side waits longer than some seconds.
final class Meeting: Sendable {
  private enum Step: Int, AtomicRepresentable {
    case apart, asked, looked, changed, lookedAgain
  }

  private let step = Atomic(Step.apart)

  /// The driver is about to make something available that it will change.
  func ask() { step.store(.asked, ordering: .releasing) }

  /// Runs `body` when the device has looked, and `undo` when it has looked again, before it goes on.
  func change(_ body: () -> Void, undo: () -> Void) {
    defer { step.store(.apart, ordering: .releasing) }
    guard waits(for: .looked) else { return }
    body()
    step.store(.changed, ordering: .releasing)
    _ = waits(for: .lookedAgain)
    undo()
  }

  /// The device's thread; a driver that did not ask gets the time in which drivers go wrong by themselves.
  func pause(_ pause: DriverPause) {
    switch pause {
    case .beforeSecondLook:
      guard moves(from: .asked, to: .looked) else {
        usleep(2000)
        return
      }
      _ = waits(for: .changed)
    case .afterSecondLook: if moves(from: .changed, to: .lookedAgain) { _ = waits(for: .apart) }
    }
  }

  private func moves(from old: Step, to new: Step) -> Bool {
    step.compareExchange(expected: old, desired: new, ordering: .acquiringAndReleasing).exchanged
  }

  private func waits(for wanted: Step) -> Bool {
    for _ in 0..<20_000 {
      if step.load(ordering: .acquiring) == wanted { return true }
      usleep(100)
    }
    return false
  }
}
