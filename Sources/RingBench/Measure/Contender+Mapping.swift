import CRing
import RingKit

extension Contender {
  /// A path without a ring: the driver's thread maps and unmaps a batch at a time, the device's serves the IOMMU.
  ///
  /// Inlined into a caller that knows the types, so that the closures are compiled for exactly these.
  @inline(__always)
  convenience init<Mapper: DMAMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ label: String, mapping plan: LoadPlan, _ mapper: consuming Mapper, _ translator: consuming Translator
  ) {
    let driver = Box(mapper)
    let device = Box(translator)
    let loop = Box(MappingLoop(plan, together: plan.batch, unmapped: Mapper.unmapped))
    let whole = Box(MappingLoop(plan, together: plan.depth, unmapped: Mapper.unmapped))
    self.init(
      label: "\(label), mapping alone",
      runDriver: { count, _ throws(SliceFailure) in
        do throws(DMAError) { return try loop.value.run(&driver.value, count: count) } catch {
          throw .queue(.mapping(error))
        }
      },
      runDevice: { gate throws(SliceFailure) in
        while !gate.isSliceOver { for _ in 0..<16 { device.value.service() } }
      },
      work: { driver.value.work.counts + device.value.work.counts })
    // As many at a time as a ring would have outstanding: what does not fit is told as the path tells it.
    runOnOneThread = { rounds throws(SliceFailure) in
      do throws(DMAError) {
        let time = try whole.value.run(&driver.value, count: rounds * plan.depth)
        return (add: Double(time), serve: 0, reclaim: 0)
      } catch { throw .queue(.mapping(error)) }
    }
  }

  /// Two mappers on a thread each, both mapping and unmapping for the whole slice: what they share shows.
  @inline(__always)
  convenience init<Mapper: DMAMapper & ~Copyable>(
    _ label: String, _ plan: LoadPlan, _ mapper: consuming Mapper, rival: consuming Mapper, rivalPlan: LoadPlan
  ) {
    let driver = Box(mapper)
    let device = Box(rival)
    let loop = Box(MappingLoop(plan, together: plan.batch, unmapped: Mapper.unmapped))
    let rivalLoop = Box(MappingLoop(rivalPlan, together: rivalPlan.batch, unmapped: Mapper.unmapped))
    self.init(
      label: label,
      runDriver: { count, _ throws(SliceFailure) in
        do throws(DMAError) { return try loop.value.run(&driver.value, count: count) } catch {
          throw .queue(.mapping(error))
        }
      },
      runDevice: { gate throws(SliceFailure) in
        do throws(DMAError) {
          while !gate.isSliceOver { _ = try rivalLoop.value.run(&device.value, count: rivalPlan.batch) }
        } catch { throw .queue(.mapping(error)) }
      },
      work: { driver.value.work.counts })
  }
}
