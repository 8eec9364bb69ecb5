import RingIOMMU
import RingKit
import Testing

@Suite("Where copying stops being cheaper")
struct HybridCalibrationTests {
  /// Copies cost 10 ns and a tenth a byte, maps the same for every size.
  private func samples(
    _ direction: DMADirection, map: Double, sizes: [Int] = [64, 128, 256, 512, 1024, 2048, 4096, 8192],
    disturb: (Int, Double) -> Double = { $1 }
  ) -> [HybridSample] {
    sizes.map {
      HybridSample(
        direction: direction, byteCount: $0, copyNanoseconds: disturb($0, 10 + Double($0) / 10), mapNanoseconds: map)
    }
  }

  @Test("the crossing lies where the costs are equal, for each direction by itself")
  func crossing() {
    let both = samples(.deviceReadable, map: 150) + samples(.deviceWritable, map: 40)
    let calibration = HybridCalibration(samples: both)
    #expect(calibration.threshold == HybridThreshold(deviceReadable: 1400, deviceWritable: 300))
    #expect(calibration.samples == both)
    #expect(HybridCalibration(samples: both.reversed()).threshold == calibration.threshold, "in whatever order")
  }

  @Test("the side that always wins gets every size")
  func noCrossing() {
    let cheapMaps = HybridCalibration(samples: samples(.deviceReadable, map: 1)).threshold
    #expect(cheapMaps.deviceReadable == 0)
    let dearMaps = HybridCalibration(samples: samples(.deviceWritable, map: 1e6)).threshold
    #expect(dearMaps.deviceWritable == 8193)
    #expect(HybridCalibration(samples: []).threshold == HybridThreshold(0))
  }

  @Test("one disturbed sample moves nothing", arguments: [64, 128, 4096, 8192])
  func disturbed(size: Int) {
    let factor = size < 1000 ? 1.5 : 0.5
    let threshold = HybridCalibration(
      samples: samples(.deviceReadable, map: 110) { $0 == size ? $1 * factor : $1 }
    ).threshold
    #expect(threshold.deviceReadable == 1000)
  }
}
