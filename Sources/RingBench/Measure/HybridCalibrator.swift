import CRing
import RingKit
import Synchronization

/// Finds hybrid's threshold before the slices, on the CPUs and under the conditions of the run.
///
/// The mapping path is `iommu-strict`, whose invalidations the device's thread serves: so there is one, which does
/// nothing else. Memory of its own: what the run then measures starts as cold or warm as it would have.
struct HybridCalibrator {
  /// The largest buffer looked at, where no larger one is measured.
  private static let largest = 65_536
  private static let memoryBytes = 64 << 20

  private let parameters: CostParameters
  private let largest: Int
  private let inFlight: Int

  init(_ parameters: CostParameters) {
    self.parameters = parameters
    largest = max(Self.largest, min(parameters.sizes.max() ?? 0, 1 << 20))
    inFlight = max(1, min(parameters.depth, Self.memoryBytes / largest))
  }

  func run() throws(BenchError) -> HybridCalibration {
    let memory: GuestMemory
    let payload: GuestBuffer
    let buffers: GuestBuffer
    do throws(MemoryError) {
      let shadowBytes = ShadowMapper<NoWork>.byteCount(slots: inFlight, slotByteCount: largest)
      let payloadRegion = try region(at: 4 << 30, inFlight * largest)
      let shadowRegion = try region(at: 8 << 30, shadowBytes)
      memory = try GuestMemory([payloadRegion, shadowRegion])
      (payload, buffers) = (GuestBuffer(whole: payloadRegion), GuestBuffer(whole: shadowRegion))
    } catch { throw .machine("no memory to measure hybrid's threshold with: \(error)") }
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .deviceThread
    configuration.cpuCount = max(parameters.driverCPU, parameters.deviceCPU) + 1
    let domain = IOMMUDomain(memory: memory, configuration: configuration)
    let signal = Signal()
    let sets = parameters.iotlbSets
    let device = try PinnedThread(cpu: parameters.deviceCPU) {
      // Attached until the driver's thread has let go of everything it mapped.
      var translator = IOMMUTranslator(domain: domain, iotlbSets: sets, counter: NoWork())
      signal.isServed.store(true, ordering: .releasing)
      while !signal.isOver.load(ordering: .acquiring) { translator.service() }
      return true
    }
    defer {
      signal.isOver.store(true, ordering: .releasing)
      _ = device.join()
    }
    let driver = try PinnedThread(cpu: parameters.driverCPU) {
      while !signal.isServed.load(ordering: .acquiring) { cring_spin_hint() }
      return measure(memory, payload, buffers, domain)
    }
    switch driver.join() {
    case .success(let calibration): return calibration
    case .failure(let error): throw error
    }
  }

  private func measure(
    _ memory: GuestMemory, _ payload: GuestBuffer, _ buffers: GuestBuffer, _ domain: IOMMUDomain
  ) -> Result<HybridCalibration, BenchError> {
    do {
      var copying = try ShadowMapper(memory: memory, buffer: buffers, slotByteCount: largest, counter: NoWork())
      var mapping = IOMMUMapper(domain: domain, policy: .strict, cpu: parameters.driverCPU, counter: NoWork())
      return .success(
        try HybridCalibration(
          copying: &copying, mapping: &mapping, over: payload, largest: largest, inFlight: inFlight))
    } catch { return .failure(.machine("hybrid's threshold cannot be measured: \(error)")) }
  }

  private func region(at base: UInt64, _ byteCount: Int) throws(MemoryError) -> MemoryRegion {
    try MemoryRegion(
      at: GuestPhysicalAddress(base), byteCount: byteCount, node: parameters.payloadNode, pages: parameters.pageSize)
  }

  private final class Signal: Sendable {
    let isServed = Atomic(false)
    let isOver = Atomic(false)
  }
}
