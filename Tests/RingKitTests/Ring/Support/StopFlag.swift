import CRing

/// A word that both sides of a run look at while they wait, so that neither waits for one that has given up.
@safe
final class StopFlag: @unchecked Sendable {
  let word: UnsafeMutablePointer<UInt32>

  init() {
    unsafe word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
    unsafe word.initialize(to: 0)
  }

  deinit { unsafe word.deallocate() }

  var isRaised: Bool { unsafe cring_load_acquire_32(word) != 0 }

  func raise() { unsafe cring_store_release_32(word, 1) }
}
