import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

/// The two eventfds of a queue whose ends sleep.
package struct Doorbells: Sendable {
  /// Rung by the driver: buffers are available.
  package let kick: EventDoorbell
  /// Rung by the device: buffers are used.
  package let call: EventDoorbell

  package init() throws(BenchError) {
    do throws(MemoryError) {
      kick = try EventDoorbell()
      call = try EventDoorbell()
    } catch {
      throw .machine("no eventfd: \(error)")
    }
  }
}
