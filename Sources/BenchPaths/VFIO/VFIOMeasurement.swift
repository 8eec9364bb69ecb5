import BenchPlan
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// All paths on all rings of one device, one after the other, each from a reset on.
package struct VFIOMeasurement {
  private let parameters: VFIOParameters

  package init(_ parameters: VFIOParameters) { self.parameters = parameters }

  package func run(progress: Progress) throws -> VFIOOutcome {
    let vfio = try VFIODevice(address: parameters.device)
    let kind = try VirtioPCIDevice(vfio).kind
    try check(kind)
    let guest = try VFIOGuest(parameters, for: kind)
    let interrupts = try connectInterrupts(vfio, parameters.queueCount(of: kind))
    var rows: [VFIORow] = []
    var sums: [UInt64] = []
    for ring in parameters.rings {
      for path in parameters.paths where !Interrupt.isRequested {
        progress.update("\(path.name), \(ring.name) ring")
        let space = VFIOAddressSpace(device: vfio, memory: guest.memory)
        try space.showForGood(guest.control)
        do { rows.append(try run(path, ring, guest, space, interrupts, &sums)) } catch is VFIOInterruption {}
      }
    }
    var fault: VFIOFault?
    if parameters.fault, kind == .block, !Interrupt.isRequested {
      progress.update("reaching for memory that was taken away")
      fault = try VFIOFaultRun(parameters).run(vfio, guest)
    }
    vfio.reset()
    return VFIOOutcome(kind: kind, group: vfio.group, rows: rows, fault: fault)
  }

  private func check(_ kind: DeviceKind) throws(BenchError) {
    guard kind == .network else { return }
    if parameters.overwrite { throw .usage("--overwrite is for a disk; \(parameters.device) is a network device") }
    if parameters.queues > 1 { throw .usage("--queues is for a disk; \(parameters.device) is a network device") }
  }

  /// A doorbell for each queue, rung by the MSI-X vector with its number; none where the driver polls.
  private func connectInterrupts(_ vfio: VFIODevice, _ queues: Int) throws -> [EventDoorbell] {
    guard parameters.interrupts else { return [] }
    let doorbells = try (0..<queues).map { _ in try EventDoorbell() }
    try vfio.connectInterrupts(doorbells)
    return doorbells
  }

  private func run(
    _ path: VFIOPath, _ ring: RingLayout, _ guest: VFIOGuest, _ space: VFIOAddressSpace,
    _ interrupts: [EventDoorbell], _ sums: inout [UInt64]
  ) throws -> VFIORow {
    var session = try VirtioPCIDevice.session(space.device)
    do {
      let row = try measure(path, ring, guest, space, interrupts, &session, &sums)
      try end(&session)
      return row
    } catch {
      // Nothing may be taken away while the device still runs; why it was not measured is what is told.
      try? session.end()
      throw error
    }
  }

  private func measure(
    _ path: VFIOPath, _ ring: RingLayout, _ guest: VFIOGuest, _ space: VFIOAddressSpace,
    _ interrupts: [EventDoorbell], _ session: inout DeviceSession<VirtioPCIDevice>, _ sums: inout [UInt64]
  ) throws -> VFIORow {
    let start = try VFIOStart(&session, ring, parameters, guest)
    let plan = VFIOPlan(start: start, interrupts: interrupts, path: path, ring: ring)
    switch path {
    case .premapped:
      try space.showForGood(guest.payload.region)
      // What is shown for good lies at its own address, so that nothing is left to do for a buffer.
      return try measure(plan, &session, slots: start.slots, payload: guest.payload, &sums) { _ in
        CalledMapper(DirectMapper(memory: guest.memory, counter: CountedWork()))
      }
    case .iommuReal:
      return try measure(plan, &session, slots: guest.hiddenSlots, payload: guest.hiddenPayload, &sums) { _ in
        CalledMapper(VFIOMapper(space: space, counter: CountedWork()))
      }
    case .swiotlb:
      try space.showForGood(guest.pool.buffer.region)
      return try measure(plan, &session, slots: guest.hiddenSlots, payload: guest.hiddenPayload, &sums) { queue in
        CalledMapper(SwiotlbMapper(memory: guest.memory, pool: guest.pool, cpu: queue, counter: CountedWork()))
      }
    }
  }

  private func end(_ session: inout DeviceSession<VirtioPCIDevice>) throws {
    do throws(NegotiationError) { try session.end() } catch { throw session.refusal(error) }
  }

  // The device is a real one: beside its price that of a call does not show, so one queue type serves all paths.
  private func measure(
    _ plan: VFIOPlan, _ session: inout DeviceSession<VirtioPCIDevice>, slots: GuestBuffer, payload: GuestBuffer,
    _ sums: inout [UInt64], _ mapper: (Int) -> CalledMapper<CountedWork>
  ) throws -> VFIORow {
    let configuration = plan.start.configuration
    switch plan.ring {
    case .packed:
      let rings = try plan.start.rings.map { try PackedRing(in: $0, size: configuration.size) }
      return try measure(plan, &session, rings.map(\.addresses), slots, payload, &sums) { queue in
        try PackedDriverQueue(configuration, ring: rings[queue], mapper: mapper(queue))
      }
    case .split:
      let rings = try plan.start.rings.map { try SplitRing(in: $0, size: configuration.size) }
      return try measure(plan, &session, rings.map(\.addresses), slots, payload, &sums) { queue in
        try SplitDriverQueue(configuration, ring: rings[queue], mapper: mapper(queue))
      }
    }
  }

  private func measure<Queue: DriverQueue & ~Copyable & SendableMetatype>(
    _ plan: VFIOPlan, _ session: inout DeviceSession<VirtioPCIDevice>, _ rings: [VFIORingAddresses],
    _ slots: GuestBuffer, _ payload: GuestBuffer, _ sums: inout [UInt64], _ queue: (Int) throws -> Queue
  ) throws -> VFIORow {
    // A queue clears its ring, so all are made before the device sees one.
    guard let limits = plan.start.limits else {
      let receive = try queue(0)
      let transmit = try queue(1)
      let ports = try start(plan, &session, rings)
      let (first, second) = (
        payload.slice(at: 0, byteCount: parameters.framesByteCount),
        payload.slice(at: parameters.framesByteCount, byteCount: parameters.framesByteCount)
      )
      var load = VFIONetLoad(
        receive: receive, transmit: transmit, ports: ports,
        NetPlan(
          requests: parameters.requests, bytes: parameters.frameBytes, depth: parameters.depth, isIndirect: false,
          received: NetFrames(first, bytes: parameters.frameBytes),
          sent: NetFrames(second, bytes: parameters.frameBytes)))
      let frames = try load.pass()
      try end(&session)
      try load.finish()
      return plan.row(sectorCount: nil, write: nil, read: nil, frames: frames)
    }
    let slotBytes = parameters.depth * BlockDriver<Queue>.slotByteCount
    let blocks = parameters.depth * parameters.blockBytes
    let content = VFIOContent(parameters, sectorCount: limits.sectorCount)
    let workers = try rings.indices.map { number in
      let driver = BlockDriver(
        try queue(number), slots: slots.slice(at: number * VFIOGuest.slotByteCount, byteCount: slotBytes))
      // Each queue has its share of the requests, and the disk is the same for all.
      let share = { parameters.requests * $0 / rings.count }
      return VFIOWorker(
        VFIOLoad(
          driver, payload: payload.slice(at: number * blocks, byteCount: blocks),
          requests: share(number)..<share(number + 1), parameters, content))
    }
    let ports = try start(plan, &session, rings)
    let write = parameters.overwrite ? try VFIOWorker.pass(workers, .write, ports, sums: &sums) : nil
    let read = try VFIOWorker.pass(workers, .read, ports, sums: &sums)
    return plan.row(sectorCount: limits.sectorCount, write: write, read: read, frames: nil)
  }

  private func start(
    _ plan: VFIOPlan, _ session: inout DeviceSession<VirtioPCIDevice>, _ rings: [VFIORingAddresses]
  ) throws -> [VFIOPort] {
    try session.start(size: plan.start.configuration.size, rings, interrupts: plan.interrupts)
  }
}

/// What one path on one ring is measured with.
struct VFIOPlan {
  let start: VFIOStart
  let interrupts: [EventDoorbell]
  let path: VFIOPath
  let ring: RingLayout

  func row(sectorCount: UInt64?, write: VFIORow.Pass?, read: VFIORow.Pass?, frames: VFIORow.Pass?) -> VFIORow {
    VFIORow(
      path: path, ring: ring, features: start.configuration.features, sectorCount: sectorCount, write: write,
      read: read, frames: frames)
  }
}

extension VFIOParameters {
  /// A network device has one to receive and one to send.
  func queueCount(of kind: DeviceKind) -> Int { kind == .network ? 2 : queues }

  /// What all that is outstanding takes.
  func payloadByteCount(for kind: DeviceKind) -> Int {
    kind == .network ? 2 * framesByteCount : queues * depth * blockBytes
  }

  /// What the frames of one direction take.
  var framesByteCount: Int { (NetFrames.byteCount(depth, bytes: frameBytes) + 4095) & ~4095 }
}
