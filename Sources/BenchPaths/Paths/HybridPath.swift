import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension CaseFactory {
  mutating func hybrid(_ key: CostKey, _ counter: some WorkCounter) throws -> BenchCase {
    let control: HybridControl
    var calibrator: HybridCalibrator?
    if let given = parameters.hybridThreshold {
      control = HybridControl(HybridThreshold(UInt32(clamping: given)))
    } else if form == .ring {
      let own = try self.calibrator(key.ring)
      (control, calibrator) = (own.control, own)
    } else {
      control = HybridControl(HybridThreshold(0))
    }
    let place = try place(key)
    let benchCase = try assemble(
      key, hybridMapper(key, control, place.domain, counter), .hybrid(place),
      figures: { ["thresholdBytes": Double(control.threshold[key.direction])] })
    benchCase.tuner = calibrator
    return benchCase
  }

  private func hybridMapper<Counter: WorkCounter>(
    _ key: CostKey, _ control: HybridControl, _ domain: IOMMUDomain, _ counter: Counter
  ) throws -> HybridMapper<IOMMUMapper<Counter>> {
    let buffer = try guest.shadow(bytes: key.bytes, queue, parameters)
    // As with premapped: mapped while no device is attached. In leaves of 2 MiB, unless another queue has a part in
    // them.
    let hasLargePages = parameters.iommu.pages != .small && parameters.queues == 1
    let window = try PremappedBuffer(
      hasLargePages ? guest.wholeLeaves(of: buffer) : buffer, domain: domain, largePages: hasLargePages,
      cpu: parameters.driverCPU)
    let mapping = IOMMUMapper(domain: domain, policy: .strict, cpu: parameters.driverCPU, counter: counter)
    return HybridMapper(
      control: control, copying: try shadowMapper(key, buffer: buffer, window: window, counter), mapping: mapping)
  }
}
