internal import RingIOMMU
internal import RingKit

extension VhostUserBackend {
  /// Entries that a ring has at most (virtio 1.2, 2.7 and 2.8).
  private var mostEntries: Int { 32_768 }

  func setMemory(_ table: [MemoryTableEntry], _ files: [PassedDescriptor]) throws(VhostUserError) {
    let new = try VhostMemory(table, files: files, mustBeSealed: options.mustBeSealed)
    // What runs goes on in the new mappings, where it stood; what is known of the old ones is worth nothing.
    for vring in vrings { suspend(vring) }
    known.forgetAll()
    memory = new
    for vring in vrings { try start(vring) }
  }

  func setSize(_ state: VringState) throws(VhostUserError) {
    let vring = try vring(state.index)
    guard (1...UInt32(mostEntries)).contains(state.value) else {
      throw .vringSize(state.value, limit: mostEntries)
    }
    try checkStopped(vring, .setVringSize)
    vring.size = Int(state.value)
    device.resize(index: vring.index, to: Int(state.value))
  }

  func setAddress(_ address: VringAddress) throws(VhostUserError) {
    let vring = try vring(address.index)
    suspend(vring)
    vring.address = address
    try start(vring)
  }

  func setBase(_ state: VringState) throws(VhostUserError) {
    let vring = try vring(state.index)
    try checkStopped(vring, .setVringBase)
    vring.base = state.value
  }

  private func checkStopped(_ vring: Vring, _ request: FrontendRequest) throws(VhostUserError) {
    guard !vring.isRunning else { throw .vringRuns(index: vring.index, request: request.rawValue) }
  }

  func setKick(_ index: Int, _ file: PassedDescriptor?) throws(VhostUserError) {
    let vring = try vring(UInt32(index))
    vring.kick = try doorbell(file, .setVringKick)
    vring.isStarted = true
    vring.needsService = vring.isRunning
    try start(vring)
  }

  func setCall(_ index: Int, _ file: PassedDescriptor?) throws(VhostUserError) {
    let vring = try vring(UInt32(index))
    vring.call = try doorbell(file, .setVringCall)
    // What was published before may not have been told through the one before.
    if vring.isRunning { vring.call?.ring() }
  }

  func enable(_ state: VringState) throws(VhostUserError) {
    let vring = try vring(state.index)
    vring.isEnabled = state.value != 0
    if vring.isEnabled { try start(vring) } else { suspend(vring) }
  }

  /// Takes the queue away, for as long as something of it changes.
  func suspend(_ vring: Vring) {
    guard vring.isRunning else { return }
    device.forget(index: vring.index)
    vring.suspend()
  }

  func stop(_ state: VringState) throws(VhostUserError) -> VringState {
    let vring = try vring(state.index)
    if vring.isRunning { device.forget(index: vring.index) }
    vring.stop()
    // Of a ring that never ran: where it would have begun.
    return VringState(index: state.index, value: vring.base ?? (features.contains(.packedRing) ? 0x8000_8000 : 0))
  }

  /// Makes the queue once everything that it needs was said.
  func start(_ vring: Vring) throws(VhostUserError) {
    guard vring.isReady, !vring.isRunning, let memory, let size = vring.size, let address = vring.address else {
      return
    }
    let parts = VringParts(address, size: size, isPacked: features.contains(.packedRing))
    let buffers: [GuestBuffer]
    do throws(VringParts.Missing) { buffers = try parts.resolve(memory, isTranslating ? known : nil) } catch {
      switch error {
      case .translation(let address, let access): return try ask(for: address, access, vring)
      case .memory(let part):
        throw .vringAddress(index: vring.index, address: part.address, byteCount: part.byteCount)
      }
    }
    // A driver of a time before VERSION_1 lays a split ring out in the same way, on a machine of this byte order.
    try makeQueue(vring, QueueConfiguration(size: size, features: features.union(.version1)), buffers, memory)
    vring.parts = parts.all.map { ($0.address, $0.byteCount) }
    vring.needsService = true
    // What it asked for to find its own parts is no chain's.
    vring.stuck?.asks = 0
    counted.starts += 1
    // The previous back-end may have died between publishing and notifying.
    vring.call?.ring()
  }

  private func makeQueue(
    _ vring: Vring, _ configuration: QueueConfiguration, _ buffers: [GuestBuffer], _ memory: VhostMemory
  ) throws(VhostUserError) {
    let translator = VhostTranslator(memory: memory, known: known, isTranslating: isTranslating)
    let (size, failure) = (configuration.size, { VhostUserError.vring(index: vring.index, $0) })
    if configuration.features.contains(.packedRing) {
      let ring: PackedRing
      let queue: PackedDeviceQueue<VhostTranslator>
      do throws(QueueConfigurationError) {
        ring = try PackedRing(descriptors: buffers[0], driverEvent: buffers[1], deviceEvent: buffers[2], size: size)
        queue = try PackedDeviceQueue(configuration, ring: ring, translator: translator)
      } catch { throw failure(error) }
      try startPacked(vring, queue, ring)
    } else {
      let ring: SplitRing
      let queue: SplitDeviceQueue<VhostTranslator>
      do throws(QueueConfigurationError) {
        ring = try SplitRing(descriptors: buffers[0], available: buffers[1], used: buffers[2], size: size)
        queue = try SplitDeviceQueue(configuration, ring: ring, translator: translator)
      } catch { throw failure(error) }
      try startSplit(vring, queue, ring)
    }
  }
}

extension VhostUserBackend {
  /// Begins where the ring stands: at the vring's base, or where the inflight memory and the used ring say.
  func startSplit(
    _ vring: Vring, _ queue: consuming SplitDeviceQueue<VhostTranslator>, _ ring: SplitRing
  ) throws(VhostUserError) {
    let base = vring.base ?? 0
    guard base <= 0xffff else { throw .vringBase(base) }
    var queue = queue
    queue.acceptTables(of: device.tableCapacity)
    var position = UInt16(truncatingIfNeeded: base)
    var notes: SplitInflight?
    if let inflight {
      let part = try inflight.queue(vring.index, size: ring.size, packed: false)
      // Bytes 2 and 3 of the used and the available ring are its index, and 4 is where the entries begin.
      position = ring.used.load16(2)
      let mask = UInt16(ring.size - 1)
      notes = try SplitInflight(part, size: Int(inflight.description.queueSize), used: position) { offset in
        ring.available.load16(4 + 2 * Int((position &+ offset) & mask))
      }
    }
    let hasResumed = queue.resume(at: position)
    guard hasResumed else { throw .vringPosition(index: vring.index, base) }
    vring.queue = VringQueue(consume queue, inflight: notes)
  }

  /// Begins where the ring stands: at the vring's base, or where the inflight memory says.
  func startPacked(
    _ vring: Vring, _ queue: consuming PackedDeviceQueue<VhostTranslator>, _ ring: PackedRing
  ) throws(VhostUserError) {
    var queue = queue
    queue.acceptTables(of: device.tableCapacity)
    let base = vring.base ?? 0x8000
    var position = try packedPosition(base, size: ring.size)
    var notes: PackedInflight?
    if let inflight {
      let part = try inflight.queue(vring.index, size: ring.size, packed: true)
      let made = try PackedInflight(
        part, size: Int(inflight.description.queueSize), ring: ring,
        base: WrapCounter(offset: position & 0x7fff, wrap: position & 0x8000 != 0))
      position = made.position
      notes = made
    }
    let hasResumed = queue.resume(at: position)
    guard hasResumed else { throw .vringPosition(index: vring.index, base) }
    vring.queue = VringQueue(consume queue, inflight: notes)
  }

  /// The base of a packed ring: the available position in the lower half and the used one in the upper, or nothing
  /// there, as some front-ends have it.
  private func packedPosition(_ base: UInt32, size: Int) throws(VhostUserError) -> UInt16 {
    let (available, used) = (UInt16(truncatingIfNeeded: base), UInt16(truncatingIfNeeded: base >> 16))
    let position = used == 0 ? available : used
    guard position & 0x7fff < size else { throw .vringBase(base) }
    return position
  }
}
