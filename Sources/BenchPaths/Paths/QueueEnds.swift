import BenchPlan
import CRing
import RingIOMMU
import RingKit
import RingPlatform

/// A value of one thread on the heap, so that the two threads of a case can each keep theirs between slices.
///
/// In lines of its own, as CRing allocates memory: the other thread's value may be the next on the heap, and a line
/// with a part of both would go back and forth at each turn.
final class Box<Value: ~Copyable> {
  private let before = InlineArray<16, UInt64>(repeating: 0)
  var value: Value
  private let after = InlineArray<16, UInt64>(repeating: 0)

  init(_ value: consuming Value) { self.value = value }
}

/// A ring of either layout.
enum RingMemory {
  case split(SplitRing)
  case packed(PackedRing)

  init(_ layout: RingLayout, in buffer: GuestBuffer, size: Int) throws(ConfigurationError) {
    switch layout {
    case .split: self = .split(try SplitRing(in: buffer, size: size))
    case .packed: self = .packed(try PackedRing(in: buffer, size: size))
    }
  }
}

extension RingLayout {
  func byteCount(size: Int) -> Int {
    self == .split ? SplitRing.byteCount(size: size) : PackedRing.byteCount(size: size)
  }
}

extension DriverEnd {
  /// The driver's end of a ring over a path; clears the ring.
  ///
  /// Compiled once for each mapper that is timed.
  init<Mapper: DMAMapper & ~Copyable>(
    _ plan: LoadPlan, _ configuration: QueueConfiguration, _ ring: RingMemory, tables: GuestBuffer?,
    _ mapper: consuming Mapper
  ) throws(ConfigurationError) {
    switch ring {
    case .split(let ring):
      self.init(plan, try SplitDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper))
    case .packed(let ring):
      self.init(plan, try PackedDriverQueue(configuration, ring: ring, indirectTables: tables, mapper: mapper))
    }
  }

  private init<Queue: DriverQueue & ~Copyable>(_ plan: LoadPlan, _ queue: consuming Queue) {
    if plan.doorbells == nil { queue.disableNotifications() }
    let end = Box(queue)
    let loop = Box(DriverLoop(plan))
    let single = Box(DriverLoop(plan))
    self.init(
      run: { count, barrier throws(SliceFailure) in try loop.value.run(&end.value, count: count, barrier: barrier) },
      work: { end.value.work.counts })
    turns = DriverTurns(
      begin: { loop.value.begin($0) },
      turn: { () throws(SliceFailure) in try loop.value.step(&end.value) },
      poll: { () throws(SliceFailure) in
        do throws(QueueError) { try end.value.poll() } catch { throw .queue(error) }
      })
    batch = (
      add: { () throws(SliceFailure) in try single.value.addBatch(&end.value) },
      reclaim: { () throws(SliceFailure) in try single.value.reclaimBatch(&end.value) }
    )
    if plan.depth == 1 {
      timeRoundTrips = { count, barrier, record throws(SliceFailure) in
        try loop.value.timeRoundTrips(&end.value, count: count, barrier: barrier, record)
      }
    }
    abandon = {
      var left = 0
      try? end.value.reset { _ in left += 1 }
      return left
    }
  }

  /// The same end with a device in another process: `leave` ends the waiting for one that no longer serves.
  func isolated(leave: @escaping () -> Void) -> DriverEnd {
    var end = self
    end.run = { [run, abandon] count, barrier throws(SliceFailure) in
      do throws(SliceFailure) { return try run(count, barrier) } catch {
        guard case .queue(.mapping(.deviceUnreachable)) = error else { throw error }
        leave()
        throw .deviceUnreachable(left: abandon())
      }
    }
    return end
  }
}

/// What a device does with its side of a path.
enum DeviceWork {
  /// Serves a ring, where it is not new from a position on; the first buffer has the number `sequence`.
  case ring(LoadPlan, QueueConfiguration, RingMemory, sequence: UInt64 = 0, position: UInt16? = nil)
  /// Serves the IOMMU alone.
  case service
  /// Translates addresses in turn, as many as it is asked for.
  case translate(LoadPlan, [IOVA], TranslationOrder)
}

extension DeviceEnd {
  /// The device's end of a path.
  ///
  /// Compiled once for each translator that is timed.
  init<Translator: DMATranslator & ~Copyable>(
    _ work: DeviceWork, _ translator: consuming Translator
  ) throws(DeviceHandshakeError) {
    switch work {
    case .ring(let plan, let configuration, .split(let ring), let sequence, let position):
      let queue: SplitDeviceQueue<Translator>
      do throws(ConfigurationError) {
        queue = try SplitDeviceQueue(configuration, ring: ring, translator: translator)
      } catch { throw .ring(error) }
      try self.init(plan, queue, from: sequence, at: position)
    case .ring(let plan, let configuration, .packed(let ring), let sequence, let position):
      let queue: PackedDeviceQueue<Translator>
      do throws(ConfigurationError) {
        queue = try PackedDeviceQueue(configuration, ring: ring, translator: translator)
      } catch { throw .ring(error) }
      try self.init(plan, queue, from: sequence, at: position)
    case .service:
      let end = Box(translator)
      self.init(
        run: { barrier throws(SliceFailure) in
          while !barrier.isSliceOver { for _ in 0..<16 { end.value.service() } }
        },
        work: { end.value.work.counts })
    case .translate(let plan, let addresses, let order):
      let end = Box(translator)
      var next = 0
      self.init(
        run: { barrier throws(SliceFailure) in
          while !barrier.isSliceOver {
            guard let count = order.take() else { continue }
            let start = cring_nanoseconds()
            do throws(DMAFault) {
              next = try Self.translate(&end.value, addresses, from: next, count: count, plan)
            } catch { throw .queue(.fault(error)) }
            order.finish(cring_nanoseconds() &- start)
          }
        }, work: { end.value.work.counts })
    }
  }

  private init<Queue: DeviceQueue & ~Copyable>(
    _ plan: LoadPlan, _ queue: consuming Queue, from sequence: UInt64, at position: UInt16?
  ) throws(DeviceHandshakeError) {
    if let position, !queue.resume(at: position) { throw .wrongPosition(position) }
    if plan.doorbells == nil { queue.disableNotifications() }
    let end = Box(queue)
    let loop = Box(DeviceLoop(plan, from: sequence))
    self.init(
      run: { barrier throws(SliceFailure) in try loop.value.run(&end.value, barrier: barrier) },
      work: { end.value.work.counts })
    turn = { () throws(SliceFailure) in try loop.value.turn(&end.value) }
    batch = { () throws(SliceFailure) in
      do throws(QueueError) { _ = try DeviceLoop.consumeAndComplete(&end.value, atMost: plan.batch) } catch {
        throw .queue(error)
      }
    }
  }

  /// Translates so many in turn and returns where it stopped; on the translator itself, not through its box.
  private static func translate<Translator: DMATranslator & ~Copyable>(
    _ translator: inout Translator, _ list: [IOVA], from first: Int, count: Int, _ plan: LoadPlan
  ) throws(DMAFault) -> Int {
    let (bytes, direction) = (UInt64(plan.bytes), plan.direction)
    var at = first
    var sum: UInt = 0
    for _ in 0..<count {
      sum &+= try translator.translate(list[at], byteCount: bytes, for: direction).host.rawValue
      at = at &+ 1 == list.count ? 0 : at &+ 1
    }
    precondition(sum != 0, "no page lies at address 0")
    return at
  }
}
