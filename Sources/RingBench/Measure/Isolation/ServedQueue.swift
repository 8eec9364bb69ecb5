import RingKit

/// A queue as a device's process serves it: where its concrete types end, as ``Contender`` is for the driver.
struct ServedQueue {
  /// Serves until the slice is over.
  let run: (_ gate: SliceGate) throws(SliceFailure) -> Void

  /// Inlined into a caller that knows the queue's type, so that the closure is compiled for exactly that.
  @inline(__always)
  init<Device: DeviceQueue & ~Copyable>(
    _ load: IsolatedLoad, _ plan: LoadPlan, _ device: consuming Device, counts: WorkArea?
  ) {
    device.disableNotifications()
    let end = Box(device)
    let loop = Box(DeviceLoop(plan, from: load.sequence))
    run = { gate throws(SliceFailure) in
      defer { counts?.counts = end.value.work.counts }
      try loop.value.run(&end.value, gate: gate)
    }
  }
}
