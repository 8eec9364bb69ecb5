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

  @Test("measuring uses both paths at every size, and gives everything back")
  func measures() throws {
    let fixture = try ShadowFixture(slots: 4, slotByteCount: 4096, driverByteCount: 32_768)
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: fixture.memory, configuration: configuration)
    var copying = try fixture.mapper()
    var mapping = IOMMUMapper(domain: domain, policy: .strict, counter: CountedWork())
    let calibration = try HybridCalibration(
      copying: &copying, mapping: &mapping, over: fixture.driver, largest: 4096, inFlight: 4, rounds: 3)
    for direction in DMADirection.allCases {
      let samples = calibration.samples.filter { $0.direction == direction }
      #expect(samples.map(\.byteCount) == [64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096])
      #expect(samples.allSatisfy { $0.copyNanoseconds > 0 && $0.mapNanoseconds > 0 })
      #expect((0...4097).contains(calibration.threshold[direction]))
    }
    let (copies, maps) = (copying.work.counts, mapping.work.counts)
    #expect(copies[.maps] == 2 * 13 * 4 * 4 && copies[.unmaps] == copies[.maps])
    #expect(maps[.maps] == copies[.maps] && maps[.unmaps] == maps[.maps])
  }

  @Test("a path that refuses a size ends the measurement with its reason")
  func refused() throws {
    let fixture = try ShadowFixture(slots: 4, slotByteCount: 1024, driverByteCount: 32_768)
    var copying = try fixture.mapper()
    var mapping = DirectMapper(counter: NoWork())
    let error = #expect(throws: DMAError.self) {
      _ = try HybridCalibration(
        copying: &copying, mapping: &mapping, over: fixture.driver, largest: 4096, inFlight: 4, rounds: 1)
    }
    #expect(error == .tooLarge(byteCount: 1536, maximum: 1024))
  }
}
