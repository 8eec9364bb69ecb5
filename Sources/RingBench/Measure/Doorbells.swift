import RingKit

/// The two eventfds of a queue whose ends sleep.
struct Doorbells: Sendable {
  /// Rung by the driver: buffers are available.
  let kick: EventDoorbell
  /// Rung by the device: buffers are used.
  let call: EventDoorbell

  init() throws(BenchError) {
    do throws(MemoryError) {
      kick = try EventDoorbell()
      call = try EventDoorbell()
    } catch {
      throw .machine("no eventfd: \(error)")
    }
  }
}
