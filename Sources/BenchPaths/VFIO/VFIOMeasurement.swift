import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// All paths on all rings of one device, one after the other, each from a reset on.
package struct VFIOMeasurement {
  private let parameters: VFIOParameters

  package init(_ parameters: VFIOParameters) { self.parameters = parameters }

  package func run(progress: Progress) throws -> (group: Int, rows: [VFIORow], fault: VFIOFault?) {
    let vfio = try VFIODevice(address: parameters.device)
    let guest = try VFIOGuest(parameters)
    var rows: [VFIORow] = []
    var sums: [UInt64] = []
    for ring in parameters.rings {
      for path in parameters.paths where !Interrupt.isRequested {
        progress.update("\(path.name), \(ring.name) ring")
        let space = VFIOAddressSpace(device: vfio, memory: guest.memory)
        try space.showForGood(guest.control)
        do { rows.append(try run(path, ring, guest, space, &sums)) } catch is VFIOInterruption {}
      }
    }
    progress.update("reaching for memory that was taken away")
    let fault = parameters.fault && !Interrupt.isRequested ? try VFIOFaultRun(parameters).run(vfio, guest) : nil
    vfio.reset()
    return (vfio.group, rows, fault)
  }

  private func run(
    _ path: VFIOPath, _ ring: RingLayout, _ guest: VFIOGuest, _ space: VFIOAddressSpace, _ sums: inout [UInt64]
  ) throws -> VFIORow {
    var session = try VirtioPCIDevice.session(space.device)
    let start = try VFIOStart(&session, ring, parameters, guest)
    let work: (VFIORow.Pass?, VFIORow.Pass)
    switch path {
    case .premapped:
      try space.showForGood(guest.payload.region)
      // What is shown for good lies at its own address, so that nothing is left to do for a buffer.
      work = try passes(
        start, &session, DirectMapper(memory: guest.memory, counter: CountedWork()), slots: start.slots,
        payload: guest.payload, &sums)
    case .iommuReal:
      work = try passes(
        start, &session, VFIOMapper(space: space, counter: CountedWork()), slots: guest.hiddenSlots,
        payload: guest.hiddenPayload, &sums)
    case .swiotlb:
      try space.showForGood(guest.pool.buffer.region)
      work = try passes(
        start, &session, SwiotlbMapper(memory: guest.memory, pool: guest.pool, counter: CountedWork()),
        slots: guest.hiddenSlots, payload: guest.hiddenPayload, &sums)
    }
    // Nothing may be taken away while the device still runs.
    do throws(NegotiationError) { try session.end() } catch { throw session.refusal(error) }
    return VFIORow(
      path: path, ring: ring, features: start.configuration.features, limits: start.limits, write: work.0, read: work.1)
  }

  private func passes<Mapper: DMAMapper & ~Copyable>(
    _ start: VFIOStart, _ session: inout DeviceSession<VirtioPCIDevice>, _ mapper: consuming Mapper, slots: GuestBuffer,
    payload: GuestBuffer, _ sums: inout [UInt64]
  ) throws -> (VFIORow.Pass?, VFIORow.Pass) {
    // The device is a real one: beside its price that of a call does not show, so one queue type serves all paths.
    let mapper = CalledMapper(mapper)
    switch try RingMemory(
      start.configuration.features.contains(.packedRing) ? .packed : .split, in: start.ring,
      size: start.configuration.size)
    {
    case .packed(let ring):
      let queue = try PackedDriverQueue(start.configuration, ring: ring, mapper: mapper)
      let doorbell = try session.start(size: ring.size, ring.addresses)
      return try passes(queue, doorbell, start, slots: slots, payload: payload, &sums)
    case .split(let ring):
      let queue = try SplitDriverQueue(start.configuration, ring: ring, mapper: mapper)
      let doorbell = try session.start(size: ring.size, ring.addresses)
      return try passes(queue, doorbell, start, slots: slots, payload: payload, &sums)
    }
  }

  private func passes<Queue: DriverQueue & ~Copyable>(
    _ queue: consuming Queue, _ doorbell: consuming VFIODoorbell, _ start: VFIOStart, slots: GuestBuffer,
    payload: GuestBuffer, _ sums: inout [UInt64]
  ) throws -> (VFIORow.Pass?, VFIORow.Pass) {
    let slots = slots.slice(at: 0, byteCount: parameters.depth * BlockDriver<Queue>.slotByteCount)
    var load = VFIOLoad(
      BlockDriver(queue, slots: slots), doorbell: doorbell, payload: payload, parameters,
      VFIOContent(parameters, sectorCount: start.limits.sectorCount))
    var write: VFIORow.Pass?
    if parameters.overwrite {
      let time = try load.pass(.write, sums: &sums)
      write = VFIORow.Pass(requests: parameters.requests, nanoseconds: time, work: load.work)
    }
    let before = load.work
    let time = try load.pass(.read, sums: &sums)
    return (write, VFIORow.Pass(requests: parameters.requests, nanoseconds: time, work: load.work - before))
  }
}
