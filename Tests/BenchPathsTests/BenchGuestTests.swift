import CDeny
import RingKit
import Testing

@testable import BenchHarness
@testable import BenchPaths

@Suite struct BenchGuestTests {
  @Test(arguments: [(0, 0), (2, 1), (25, 8), (50, 16), (99, 32), (100, 32)])
  func theShareOfBuffersLiesBeyond(percent: Int, expected: Int) throws {
    var parameters = CostParameters()
    parameters.paths = [.dmaMask]
    parameters.sizes = [1500, 4096]
    (parameters.depth, parameters.beyondPercent, parameters.swiotlbMebibytes) = (32, percent, 1)
    let guest = try BenchGuest(parameters)
    for bytes in parameters.sizes {
      let pool = PayloadPool(guest.payload(bytes: bytes, parameters), bytes: bytes)
      let ends = (0..<32).map { pool.segment($0).address.rawValue + UInt64(bytes) - 1 }
      #expect(ends.filter { $0 > 0xFFFF_FFFF }.count == expected)
      #expect(
        (0..<32).allSatisfy {
          guest.memory.deviceTable.translate(pool.segment($0).address, length: UInt64(bytes)) == pool.host($0)
        })
    }
  }

  /// Under a container's usual profile: where the pages are only describes a run.
  @Test func pagesWhosePlaceIsNotToldAreSaidToBeUnknown() async {
    await #expect(processExitsWith: .success) {
      #expect(cdeny_memory_policy() == 0)
      var parameters = CostParameters()
      (parameters.paths, parameters.depth, parameters.swiotlbMebibytes) = ([.swiotlb], 32, 1)
      let guest = try BenchGuest(parameters)
      #expect(guest.placements().count == 4)
      #expect(guest.placements().allSatisfy { $0.pagesPerNode == nil && $0.text.contains("on an unknown node") })
      #expect(throws: Never.self) { try guest.verifyPlacement(parameters) }
      // What was asked for cannot be had, which is said before anything is measured.
      parameters.ringNode = 0
      let error = #expect(throws: BenchError.self) { try BenchGuest(parameters) }
      #expect(error?.exitCode == 3)
    }
  }

  @Test func smallPagesInPlaceOfLargeOnesAreSaid() throws {
    var parameters = CostParameters()
    (parameters.paths, parameters.depth, parameters.swiotlbMebibytes) = ([.swiotlb], 32, 1)
    #expect(try BenchGuest(parameters).pageWarning(parameters) == nil, "nobody asked for others")
    parameters.pageSize = .huge
    let guest = try BenchGuest(parameters)
    let isSmall = guest.placements().contains { $0.hugeBytes < $0.bytes }
    #expect((guest.pageWarning(parameters)?.contains("--page-size 2m falls back") == true) == isSmall)
  }
}
