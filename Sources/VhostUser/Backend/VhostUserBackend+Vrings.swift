internal import RingIOMMU
internal import RingKit

extension VhostUserBackend {
  /// Entries that a ring has at most (virtio 1.2, 2.7 and 2.8).
  private var mostEntries: Int { 32_768 }

  func setMemory(_ table: [MemoryTableEntry], _ files: [PassedDescriptor]) throws(VhostUserError) {
    let new = try VhostMemory(table, files: files, mustBeSealed: options.mustBeSealed)
    // What runs goes on in the new mappings, where it stood; what is known of the old ones is worth nothing.
    for vring in vrings { suspend(vring) }
    forgetTranslations()
    memory = new
    for vring in vrings { try start(vring) }
  }

  func setSize(_ state: VringState) throws(VhostUserError) {
    let vring = try vring(state.index)
    guard (1...UInt32(mostEntries)).contains(state.value) else {
      throw .vringSize(state.value, limit: mostEntries)
    }
    try checkStopped(vring, .setVringSize)
    if vring.size != Int(state.value) { vring.pending = [] }
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
    // Where it stood before: what it had in flight is still there.
    if vring.base != state.value { vring.pending = [] }
    (vring.base, vring.published) = (state.value, nil)
  }

  private func checkStopped(_ vring: Vring, _ request: FrontendRequest) throws(VhostUserError) {
    guard !vring.isRunning || !isEnabled(vring) else {
      throw .vringRuns(index: vring.index, request: request.rawValue)
    }
    suspend(vring)
  }

  func setKick(_ index: Int, _ file: PassedDescriptor?) throws(VhostUserError) {
    let vring = try vring(UInt32(index))
    vring.kick = try doorbell(file, .setVringKick)
    vring.hasKick = true
    if file == nil { vring.isStarted = true }
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
    vring.needsService = vring.isRunning
    try start(vring)
  }

  /// Takes the queue away, for as long as something of it changes.
  func suspend(_ vring: Vring) {
    guard vring.isRunning else { return }
    device.forget(index: vring.index)
    vring.suspend()
    observer?.ended(vring.index)
  }

  func stop(_ state: VringState) throws(VhostUserError) -> VringState {
    let vring = try vring(state.index)
    if vring.isRunning {
      device.forget(index: vring.index)
      observer?.ended(vring.index)
    }
    vring.stop()
    forgetQuestions()
    leave(vring)
    // Of a ring that never ran: where it would have begun.
    return VringState(index: state.index, value: vring.base ?? (features.contains(.packedRing) ? 0x8000_8000 : 0))
  }

  /// The device has its last word before a queue runs.
  private func enter(_ vring: Vring) throws(VringFailure) {
    if vring.hasBegun { return }
    try device.begin(index: vring.index)
    vring.hasBegun = true
  }

  private func leave(_ vring: Vring) {
    guard vring.hasBegun else { return }
    vring.hasBegun = false
    device.stop(index: vring.index)
  }

  /// Makes the queue once everything that it needs was said.
  func start(_ vring: Vring) throws(VhostUserError) {
    // Not before it is enabled: of a disabled one, what a driver sends is dropped.
    if vring.hasKick && !vring.isStarted && isEnabled(vring) { vring.isStarted = isContinued(vring) }
    guard vring.isReady, !vring.isRunning, let memory, let size = vring.size, let address = vring.address else {
      return
    }
    // What is to be logged waits for the log.
    guard !isLogging || hasLog(of: memory) else { return }
    let parts = VringParts(address, size: size, isPacked: features.contains(.packedRing))
    let buffers: [GuestBuffer]
    let known = isTranslating ? table(of: vring) : nil
    do throws(VringParts.Missing) { buffers = try parts.resolve(memory, known) } catch {
      switch error {
      case .translation(let address, let access): return try ask(for: address, access, vring)
      case .memory(let part):
        return refuse(
          vring, .vringAddress(index: vring.index, address: part.address, byteCount: part.byteCount))
      }
    }
    // A driver of a time before VERSION_1 lays a split ring out in the same way, on a machine of this byte order.
    do throws(VringFailure) { try enter(vring) } catch { return fail(vring, error) }
    var configuration = QueueConfiguration(size: size, features: features.union(.version1))
    configuration.sharesUsedEntries = device.sharesUsedEntries(index: vring.index)
    observer?.begins(
      vring.index, buffers, size: size, features: features, isFirst: vring.base == nil || isFirst(vring))
    do throws(VhostUserError) {
      try makeQueue(vring, configuration, buffers, memory)
      if observer?.mayReorder(vring.index) == true { vring.running?.queue.reorder() }
    } catch {
      // What the guest writes decides about these, or what the front-end made of it: that ring is the only one that
      // stops.
      switch error {
      case .vring, .vringPosition, .vringBase, .inflight, .log: return refuse(vring, error)
      default: throw error
      }
    }
    vring.parts = parts.all.map { ($0.address, $0.byteCount) }
    (vring.needsService, vring.isDrained, vring.isEmpty) = (true, false, false)
    // What it asked for to find its own parts is no chain's.
    vring.stuck?.asks = 0
    counted.starts += 1
    // The previous back-end may have died between publishing and notifying.
    vring.call?.ring()
  }

  /// Whether another device, or this one before, ran the ring: the kick that started it may be taken, and none has to
  /// come again.
  private func isContinued(_ vring: Vring) -> Bool {
    if vring.base != nil && !isFirst(vring) { return true }
    guard let size = vring.size else { return false }
    return inflight?.hasNotes(vring.index, size: size, packed: features.contains(.packedRing)) ?? false
  }

  /// Whether the front-end said that the ring begins where a new one does.
  private func isFirst(_ vring: Vring) -> Bool {
    features.contains(.packedRing) ? vring.base == 0x8000 || vring.base == 0x8000_8000 : vring.base == 0
  }

  /// Entries of tables beyond the queue's size that are taken; none where a driver is checked.
  var tableCapacity: Int { observer == nil ? device.tableCapacity : 0 }

  /// The ring cannot be served as it is set up.
  private func refuse(_ vring: Vring, _ error: VhostUserError) {
    hasRefused = true
    fail(vring, .setup(error))
  }

  private func makeQueue(
    _ vring: Vring, _ configuration: QueueConfiguration, _ buffers: [GuestBuffer], _ memory: VhostMemory
  ) throws(VhostUserError) {
    let translator = VhostTranslator(memory: memory, known: table(of: vring), isTranslating: isTranslating)
    let (size, failure) = (configuration.size, { VhostUserError.vring(index: vring.index, $0) })
    let log = try writeLog(vring, buffers, memory)
    if configuration.features.contains(.packedRing) {
      let ring: PackedRing
      let queue: PackedDeviceQueue<VhostTranslator>
      do throws(ConfigurationError) {
        ring = try PackedRing(descriptors: buffers[0], driverEvent: buffers[1], deviceEvent: buffers[2], size: size)
        queue = try PackedDeviceQueue(configuration, ring: ring, translator: translator)
      } catch { throw failure(error) }
      try startPacked(vring, queue, ring, log)
    } else {
      let ring: SplitRing
      let queue: SplitDeviceQueue<VhostTranslator>
      do throws(ConfigurationError) {
        ring = try SplitRing(descriptors: buffers[0], available: buffers[1], used: buffers[2], size: size)
        queue = try SplitDeviceQueue(configuration, ring: ring, translator: translator)
      } catch { throw failure(error) }
      try startSplit(vring, queue, ring, log)
    }
  }
}

extension VhostUserBackend {
  /// Begins at the vring's base with what the used ring says is published, or where that and the inflight memory say.
  func startSplit(
    _ vring: Vring, _ queue: consuming SplitDeviceQueue<VhostTranslator>, _ ring: SplitRing, _ log: WriteLog?
  ) throws(VhostUserError) {
    let base = vring.base ?? 0
    guard base <= 0xffff else { throw .vringBase(base) }
    var queue = queue
    queue.acceptTables(of: tableCapacity)
    var next = UInt16(truncatingIfNeeded: base)
    // The used index is in memory that the driver can write: a queue that ran here knows better.
    let used = vring.published ?? ring.used.load16(2)
    let part = try inflight?.queue(vring.index, size: ring.size, packed: false)
    let entries = Int(inflight?.description.queueSize ?? 0)
    if let part, vring.published == nil {
      let mask = UInt16(ring.size - 1)
      let heads = try SplitInflight.resume(part, size: entries, used: used, isInOrder: features.contains(.inOrder)) {
        offset in ring.available.load16(4 + 2 * Int((used &+ offset) & mask))
      }
      if let heads {
        vring.pending = heads.map { FlightEntry(head: $0) }
        next = used &+ UInt16(heads.count)
      }
    }
    let again = vring.pending
    let hasResumed = queue.resume(available: next, used: used)
    guard hasResumed else { throw .vringPosition(index: vring.index, base) }
    // A ring that was made smaller meanwhile has none of them: notes are as long as the ring.
    guard again.count <= Int(next &- used), again.allSatisfy({ Int($0.id) < ring.size }) else {
      throw .vringPosition(index: vring.index, base)
    }
    // Behind all that can be refused: what another back-end has noted is for the next one then.
    let notes = part.map { SplitInflight($0, size: entries, used: used, again: again.map(\.id)) }
    let lost = next &- used &- UInt16(again.count)
    vring.running = RunningQueue(VringQueue(consume queue, lost: lost, inflight: notes, log: log, again: again))
    vring.pending = []
  }

  /// Begins at the vring's base, or where the inflight memory says.
  func startPacked(
    _ vring: Vring, _ queue: consuming PackedDeviceQueue<VhostTranslator>, _ ring: PackedRing, _ log: WriteLog?
  ) throws(VhostUserError) {
    var queue = queue
    queue.acceptTables(of: tableCapacity)
    let base = vring.base ?? 0x8000
    var (next, used) = Self.packedPositions(base)
    guard next.offset < ring.size, used.offset < ring.size else { throw .vringBase(base) }
    let part = try inflight?.queue(vring.index, size: ring.size, packed: true)
    let entries = Int(inflight?.description.queueSize ?? 0)
    if let part, vring.published == nil,
      let found = try PackedInflight.resume(part, size: entries, ring, isInOrder: features.contains(.inOrder))
    {
      (used, vring.pending) = found
      next = used
      for entry in vring.pending { next.advance(by: entry.descriptorCount, size: UInt16(ring.size)) }
    }
    let hasResumed = queue.resume(available: next.word, used: used.word)
    guard hasResumed else { throw .vringPosition(index: vring.index, base) }
    let again = vring.pending
    let held = again.reduce(0) { $0 + Int($1.descriptorCount) }
    let lost = Int(next.distance(from: used, size: UInt16(ring.size))) - held
    guard lost >= 0 else { throw .vringPosition(index: vring.index, base) }
    let notes = part.map {
      PackedInflight($0, size: entries, ring: ring, at: used, fetching: next, again: again.map(\.descriptors))
    }
    vring.running = RunningQueue(
      VringQueue(consume queue, ring, lost: UInt16(lost), inflight: notes, log: log, again: again))
    vring.pending = []
  }

  /// The base of a packed ring: the available position in the lower half and the used one in the upper.
  ///
  /// Some front-ends leave the upper half out. Then nothing is in flight: a used position of 0 with the wrap counter
  /// clear is at most a lap behind an available one whose wrap counter is clear too.
  private static func packedPositions(_ base: UInt32) -> (next: WrapCounter, used: WrapCounter) {
    let next = WrapCounter(word: UInt16(truncatingIfNeeded: base))
    if base >> 16 == 0 && next.wrap { return (next, next) }
    return (next, WrapCounter(word: UInt16(truncatingIfNeeded: base >> 16)))
  }
}
