import CRing
import RingKit

extension Contender {
  /// Copies alone: each buffer to the next place of a target that is walked round, as a bounce pool's cursor does.
  ///
  /// The target holds at least one buffer.
  static func copying(_ label: String, _ plan: LoadPlan, to target: GuestBuffer) -> Contender {
    let stride = (plan.bytes + SwiotlbPool.slotByteCount - 1) / SwiotlbPool.slotByteCount * SwiotlbPool.slotByteCount
    let places = max(1, target.byteCount / stride)
    let base = target.host
    let cursor = Box((from: 0, to: 0))
    return Contender(
      label: label,
      runDriver: { count, _ throws(SliceFailure) in
        var (from, to) = cursor.value
        let start = cring_nanoseconds()
        for _ in 0..<count {
          // SAFETY: `to` is one of `places` strides inside the target, `from` one of the plan's buffers.
          unsafe base.advanced(by: to &* stride).pointer.copyMemory(
            from: plan.payload.host(from).pointer, byteCount: plan.bytes)
          from = from &+ 1 == plan.depth ? 0 : from &+ 1
          to = to &+ 1 == places ? 0 : to &+ 1
        }
        let time = cring_nanoseconds() &- start
        cursor.value = (from, to)
        // Keeps the target mapped.
        withExtendedLifetime(target) {}
        return time
      },
      runDevice: { _ throws(SliceFailure) in }, work: { WorkCounts() })
  }

  /// Translations alone, on the device's thread, whose time the driver's brings back: page after page of a working set, round and round.
  @inline(__always)
  static func translating<Mapper: DMAMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ label: String, _ plan: LoadPlan, _ mapper: consuming Mapper, _ translator: consuming Translator
  ) throws(DMAError) -> Contender {
    var mapper = mapper
    var addresses: [IOVA] = []
    for place in 0..<plan.depth {
      addresses.append(try mapper.map(plan.payload.segment(place), plan.direction).address)
    }
    let list = addresses
    let device = Box(translator)
    // Stays alive behind the translator: its end unmaps what is translated here.
    let owner = Box(mapper)
    let place = Box(0)
    let order = TranslationOrder()
    let contender = Contender(
      label: label,
      runDriver: { count, gate throws(SliceFailure) in
        guard let time = order.wait(for: count, gate) else { throw .other }
        return time
      },
      runDevice: { gate throws(SliceFailure) in
        while !gate.isSliceOver {
          guard let count = order.take() else { continue }
          let start = cring_nanoseconds()
          do throws(DMAFault) {
            place.value = try translate(&device.value, list, from: place.value, count: count, plan)
          } catch { throw .queue(.fault(error)) }
          order.finish(cring_nanoseconds() &- start)
        }
      },
      work: { device.value.work.counts })
    // The last closure that a contender lets go of.
    contender.runOnOneThread = { _ throws(SliceFailure) in
      withExtendedLifetime(owner) {}
      throw .other
    }
    return contender
  }

  /// Translates so many in turn and returns where it stopped; on the translator itself, not through its box.
  @inline(__always)
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
