import CRing

/// A lock of the library's, held by a test.
@safe
struct SharedLock: @unchecked Sendable {
  private let word: UnsafeMutableRawPointer

  init(_ word: UnsafeMutableRawPointer) { unsafe self.word = unsafe word }

  func lock() { unsafe cring_lock(word) }
  func unlock() { unsafe cring_unlock(word) }
}
