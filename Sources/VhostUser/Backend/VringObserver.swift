package import RingKit

/// Looks at the rings of a back-end on its thread, beside its work: for checks of a driver.
///
/// Positions are those of `VringQueue`: indices, in a packed ring offsets with the wrap counter in bit 15.
package protocol VringObserver: AnyObject {
  /// A queue is about to begin over descriptors, what the driver writes and what the device writes.
  ///
  /// `isFirst`: at the position of a new ring.
  func begins(_ index: Int, _ parts: [GuestBuffer], size: Int, features: VirtioFeatures, isFirst: Bool)
  /// Whether a queue may give buffers back in another order than it fetched them.
  func mayReorder(_ index: Int) -> Bool
  /// A queue is about to be served.
  func willServe(_ index: Int, used: UInt16, fetched: UInt16, isNotified: Bool)
  /// A queue was served; `isAsleep`: it waits for the driver's next notification.
  func didServe(_ index: Int, fetched: UInt16, isAsleep: Bool)
  /// A queue was taken away.
  func ended(_ index: Int)
  /// A queue cannot go on.
  func failed(_ index: Int, _ failure: VringFailure)
}

extension VhostUserBackend {
  /// Vrings that were set up and wait for the driver's first notification.
  package var unnotified: [Int] {
    vrings.filter { $0.hasKick && !$0.isStarted && isEnabled($0) && $0.size != nil && $0.address != nil }.map(\.index)
  }

  /// Has a queue served in the next step as if the driver had notified this device of it.
  package func serveUnasked(_ index: Int) throws(VhostUserError) {
    let vring = vrings[index]
    if !vring.isStarted {
      vring.isStarted = true
      try start(vring)
    }
    vring.needsService = vring.isRunning
  }
}
