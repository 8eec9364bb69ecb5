internal import CRing
internal import RingKit
internal import Synchronization

/// Where a shared domain reads the answers of its devices: an address of its own for each attachment.
///
/// A waiting thread reads without a lock, also where the device was detached a moment ago. So the address stays mapped
/// and its page changes: a device's own as long as that is attached, zeroes afterwards. What such a thread then reads
/// is an answer that comes late, or one of a successor, whose cache was empty after the thread's request was posted.
@safe
final class AnswerPages: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let lock = Mutex<Void>(())

  private static let byteCount = InvalidationQueue.serverLimit * SharedDomainLayout.completionByteCount

  /// Addresses that no page is shown at.
  init() throws(MemoryError) {
    var base: UnsafeMutableRawPointer?
    let error = unsafe cring_window_reserve(Self.byteCount, &base)
    guard error == 0, let base = unsafe base else {
      throw .system(operation: "reserving address space for devices' answers", errno: error)
    }
    unsafe self.base = unsafe base
  }

  deinit { unsafe cring_window_release(base, Self.byteCount) }

  /// Attaches or detaches a device, while no other thread does: a page is changed by system calls, which no thread is
  /// to wait for that holds or wants the queue's own lock.
  func attaching<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    try lock.withLock { _ throws(Failure) in try body() }
  }

  /// Shows a device's page for an attachment; returns where.
  func show(_ page: MemoryRegion, _ server: Int) throws(MemoryError) -> HostAddress {
    let at = unsafe address(server)
    // SAFETY: inside the reserved range; the page is a whole file of this size, sealed.
    let error = unsafe cring_window_show(at, SharedDomainLayout.completionByteCount, page.fileDescriptor ?? -1, 0, 1)
    guard error == 0 else { throw .system(operation: "mapping a device's answers", errno: error) }
    return unsafe HostAddress(at)
  }

  /// Lets a device's page go, after its attachment has ended.
  func blank(_ server: Int) {
    // The error cannot be reported: what the kernel does not take away stays until the address is used again.
    // SAFETY: inside the reserved range.
    _ = unsafe cring_window_blank(address(server), SharedDomainLayout.completionByteCount)
  }

  private func address(_ server: Int) -> UnsafeMutableRawPointer {
    // SAFETY: server < serverLimit.
    unsafe base + server * SharedDomainLayout.completionByteCount
  }
}
