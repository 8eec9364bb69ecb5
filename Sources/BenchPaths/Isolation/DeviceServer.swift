import BenchPlan
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// `ringbench device` at work: sets up what the driver asks for, follows its barrier, and reports.
package struct DeviceServer {
  private let endpoint: DeviceEndpoint
  private var memory: GuestMemory?
  private var queues: [ServedQueue] = []

  package init(_ socket: DeviceSocket) { endpoint = DeviceEndpoint(socket) }

  /// Serves one driver from its first message until it has gone.
  package mutating func serve() throws(BenchError) {
    do throws(DeviceHandshakeError) {
      while true {
        switch try endpoint.next() {
        case .memory(let memory):
          self.memory = memory
          try endpoint.agree()
        case .queue(let description):
          do throws(DeviceHandshakeError) { queues.append(try queue(description)) } catch {
            try endpoint.refuse(error.description)
            continue
          }
          try endpoint.agree()
        case .start(let program): return try follow(program)
        }
      }
    } catch {
      // Gone before it began is an end too.
      if error != .closed { throw .check("the driver's message was refused: \(error)") }
    }
  }

  private func queue(_ description: DeviceQueueDescription) throws(DeviceHandshakeError) -> ServedQueue {
    guard let load = IsolatedLoad(description.program) else { throw .wrongField("load", description.program[0]) }
    guard let address = load.counts else {
      return ServedQueue(end: try end(description, load, UncountedWork()), counts: nil)
    }
    let area = try area(address)
    return ServedQueue(end: try end(description, load, Self.hiddenCounter()), counts: area)
  }

  /// A counter whose type the optimiser does not see: what is generic over it stays so.
  @inline(never)
  private static func hiddenCounter() -> any WorkCounter { CountedWork() }

  private func area(_ address: GuestPhysicalAddress) throws(DeviceHandshakeError) -> WorkArea {
    // A region may begin anywhere in a page for the driver: what is aligned there need not be here.
    guard let buffer = memory?.sharedBuffer(at: address, byteCount: WorkArea.byteCount), buffer.host.rawValue % 8 == 0
    else {
      throw .outOfBounds(address, byteCount: WorkArea.byteCount)
    }
    return WorkArea(buffer)
  }

  private func end(
    _ description: DeviceQueueDescription, _ load: IsolatedLoad, _ counter: some WorkCounter
  ) throws(DeviceHandshakeError) -> DeviceEnd {
    guard let memory, let region = memory.regions.first else { throw .closed }
    // A device has no payloads of its own: what it is told to look at stands in the descriptors.
    guard let none = memory.sharedBuffer(at: region.guestBase, byteCount: 0) else { throw .closed }
    let plan = LoadPlan(
      direction: load.direction, bytes: load.bytes, depth: description.configuration.size, batch: load.batch,
      touch: load.touch, segments: 1, payload: PayloadPool(none, bytes: load.bytes))
    let ring =
      description.isPacked
      ? RingMemory.packed(try description.packedRing(in: memory)) : .split(try description.splitRing(in: memory))
    let work = DeviceWork.ring(
      plan, description.configuration, ring, sequence: load.sequence, position: description.position)
    let sets = description.iotlbSets
    if let domain = description.domain {
      let translator = RemoteIOMMUTranslator(domain: domain, memory: memory, iotlbSets: sets, counter: counter)
      guard load.prefersLargePages else { return try DeviceEnd(work, translator) }
      return try DeviceEnd(work, HybridTranslator(translator))
    }
    guard let windows = description.windows else {
      return try DeviceEnd(work, RegionTranslator(memory: memory, counter: counter))
    }
    let domain: IOMMUDomain
    do throws(DMAError) {
      domain = try IOMMUDomain(memory: memory, windows: windows, usesLargePages: description.usesLargePages)
    } catch { throw .mapping(error) }
    return try DeviceEnd(work, IOMMUTranslator(domain: domain, iotlbSets: sets, counter: counter))
  }

  /// Follows the driver's barrier on a thread of its own, while this one waits for the driver's end.
  private func follow(_ program: [UInt64]) throws(DeviceHandshakeError) {
    let address = GuestPhysicalAddress(program[0])
    guard let control = memory?.sharedBuffer(at: address, byteCount: SlicePeer.byteCount),
      control.address == control.region.guestBase
    else {
      try endpoint.refuse(
        "a barrier of \(SlicePeer.byteCount) bytes has a shared region to itself; there is none at \(address)")
      throw .closed
    }
    try endpoint.agree()
    let (endpoint, queues, peer, memory) = (endpoint, Handover(queues), SlicePeer(in: control.region), memory)
    let thread: PinnedThread<Void>
    do throws(BenchError) {
      thread = try PinnedThread(cpu: Int(clamping: program[1])) {
        let failure = DeviceWorker(peer: peer) { number, barrier throws(SliceFailure) in
          guard number < queues.value.count else { throw .other }
          try queues.value[number].run(barrier)
        }.run {
          // Memory that the driver took away reads as zeros, which look like a mistake in the ring.
          try? endpoint.report(memory?.loss?.description ?? $0.text)
        }
        if failure == nil { try? endpoint.report(nil) }
      }
    } catch {
      return try endpoint.report(error.message)
    }
    // Whatever comes now is the end: a driver has nothing more to ask.
    _ = try? endpoint.next()
    // One that left without opening the last step will never do so.
    if !thread.isFinished { Glibc.exit(0) }
    thread.join()
  }
}

/// Queues on their way to the thread that will serve them.
private struct Handover: @unchecked Sendable {
  let value: [ServedQueue]

  init(_ value: [ServedQueue]) { self.value = value }
}

/// A queue as a device's process serves it.
private struct ServedQueue {
  let end: DeviceEnd
  let counts: WorkArea?

  /// Serves until the slice is over.
  func run(_ barrier: SliceBarrier) throws(SliceFailure) {
    defer { counts?.counts = end.work() }
    try end.run(barrier)
  }
}
