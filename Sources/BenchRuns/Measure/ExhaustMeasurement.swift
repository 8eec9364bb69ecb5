import BenchPaths
import BenchPlan
import BenchReport
import RingKit

/// Runs every case and counts what its maps came to.
package struct ExhaustMeasurement {
  let parameters: ExhaustParameters
  let machine: Machine
  /// What a queue is tried with after a buffer beyond the ceiling was refused.
  private static let smallBytes = 2_048

  package init(parameters: ExhaustParameters, machine: Machine) {
    self.parameters = parameters
    self.machine = machine
  }

  package func run(progress: Progress) throws(BenchError) -> ExhaustReport {
    let cases = parameters.cases
    var rows: [ExhaustRow] = []
    for (number, what) in cases.enumerated() {
      if Interrupt.isRequested { break }
      progress.update("\(number + 1) of \(cases.count): \(what.label)", done: number, of: cases.count)
      let row = try measure(what)
      // What an interruption cut short is no result.
      if Interrupt.isRequested { break }
      rows.append(row)
    }
    return ExhaustReport(machine: machine, parameters: parameters, rows: rows, interrupted: Interrupt.isRequested)
  }

  private func measure(_ what: ExhaustCase) throws(BenchError) -> ExhaustRow {
    do {
      let payloadBytes = Payload.stride(for: max(what.bytes, Self.smallBytes)) * what.depth
      let ringBytes = max(
        SplitRing.byteCount(size: parameters.queueSize), PackedRing.byteCount(size: parameters.queueSize))
      let shared = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: ringBytes + 4096)
      let hidden = try MemoryRegion(
        at: GuestPhysicalAddress(16 << 30), byteCount: payloadBytes, isShared: false)
      let poolRegion = try MemoryRegion(at: GuestPhysicalAddress(2 << 30), byteCount: what.poolBytes)
      let memory = try GuestMemory([shared, hidden, poolRegion])
      var rings = RegionAllocator(shared)
      var payloads = RegionAllocator(hidden)
      var bounces = RegionAllocator(poolRegion)
      let payload = try payloads.allocate(payloadBytes, alignment: 4096)
      let pool = try SwiotlbPool(
        bounces.allocate(what.poolBytes, alignment: 4096), areaCount: what.areas, tracksHighWater: true)
      let ends = try ExhaustEnds(
        what.ring, in: rings.allocate(ringBytes, alignment: 4096), size: parameters.queueSize, memory: memory,
        pool: pool, cpu: parameters.driverCPU)
      return try row(what, pool, payload, ends)
    } catch {
      throw error as? BenchError ?? .machine("\(what.label) cannot be set up: \(error)")
    }
  }

  private func row(
    _ what: ExhaustCase, _ pool: SwiotlbPool, _ payload: GuestBuffer, _ ends: ExhaustEnds
  ) throws(BenchError) -> ExhaustRow {
    let exchange = exchange(what, payload, bytes: what.bytes)
    let result: Result<ExhaustTally, SliceFailure>
    var refusal: String?
    if what.isBeyondCeiling {
      (result, refusal) = refused(what, payload, ends)
    } else if what.mode == .interleaved {
      do throws(SliceFailure) {
        result = .success(try exchange.interleaved(ends, total: parameters.buffers))
      } catch { result = .failure(error) }
    } else {
      result = try exchange.onThreads(ends)
    }
    switch result {
    case .success(let tally):
      // Everything came back, so everything was given back.
      guard pool.usedSlots == 0 || Interrupt.isRequested else {
        throw .check("\(what.label): \(pool.usedSlots) slots were not given back")
      }
      return ExhaustRow(
        what, tally, poolSlots: pool.slotCount, areas: pool.areaCount, highWaterSlots: pool.highWaterSlots,
        work: ends.work(), error: refusal)
    case .failure(let failure): throw .check("\(what.label): \(failure.text)")
    }
  }

  private func exchange(_ what: ExhaustCase, _ payload: GuestBuffer, bytes: Int) -> ExhaustExchange {
    ExhaustExchange(
      plan: LoadPlan(
        direction: what.direction, bytes: bytes, depth: what.depth, batch: min(parameters.batch, what.depth),
        touch: .full, segments: 1, payload: PayloadPool(payload, bytes: bytes)),
      buffers: parameters.buffers, driverCPU: parameters.driverCPU, deviceCPU: parameters.deviceCPU)
  }

  /// A buffer beyond the ceiling: refused each time with the typed error, and the queue goes on with smaller ones.
  private func refused(
    _ what: ExhaustCase, _ payload: GuestBuffer, _ ends: ExhaustEnds
  ) -> (Result<ExhaustTally, SliceFailure>, String?) {
    var tally = ExhaustTally()
    var refusal: String?
    let segments = PayloadPool(payload, bytes: what.bytes)
    for i in 0..<what.depth {
      tally.attempts += 1
      do throws(QueueError) {
        _ = try ends.add(segments.segment(i), what.direction)
        return (.failure(.wrongLength(sequence: UInt64(i), expected: 0, got: what.bytes)), nil)
      } catch {
        guard case .mapping(.tooLarge) = error else { return (.failure(.queue(error)), nil) }
        tally.failures += 1
        tally.delayedBuffers += 1
        refusal = error.description
      }
    }
    tally.mostAttempts = 1
    let small = exchange(what, payload, bytes: Self.smallBytes)
    do throws(SliceFailure) {
      _ = try small.interleaved(ends, total: what.depth)
    } catch { return (.failure(error), nil) }
    return (.success(tally), refusal)
  }
}
