import CDeny
import RingKit
import TestTraits
import Testing

@testable import BenchHarness
@testable import BenchPaths
@testable import BenchPlan

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

  /// What no path of a run can use is no memory of it: it would be touched, and counted as the run's.
  @Test func memoryIsWhatThePathsOfARunTake() throws {
    var parameters = CostParameters()
    parameters.paths = [.iommuStrict, .swiotlb, .dmaMask, .shadow, .hybrid]
    parameters.sizes = [4096, 512 << 10]
    (parameters.depth, parameters.batch, parameters.swiotlbMebibytes) = (8, 8, 4)
    let guest = try BenchGuest(parameters)
    func bytes(_ name: String) -> Int? { guest.placements().first { $0.name == name }?.bytes }
    // Half of the buffers lie above 4 GiB as well; a bounced one has at most 256 KiB.
    #expect(bytes("payload") == (8 + 4) * (512 << 10))
    #expect(bytes("private payload") == 512 << 10)
    // An odd number of lines each, in whole leaves of 2 MiB.
    #expect(bytes("shadow buffers") == (8 + 4) * (512 << 10))
    #expect(bytes("bounce pool") == 4 << 20)
    parameters.sizes.append(256 << 10)
    #expect(try BenchGuest(parameters).privatePayload?.byteCount == 8 * (256 << 10))
  }

  @Test func oneGuestLendsAnotherWhatIsLargeEnough() throws {
    var parameters = CostParameters()
    (parameters.paths, parameters.sizes, parameters.depth) = ([.shadow, .iommuStrict], [65_536], 8)
    let lender = try BenchGuest(parameters)
    let same = try BenchGuest(parameters, lender: lender)
    #expect(same.sharedPayload.region === lender.sharedPayload.region && same.shadow?.region === lender.shadow?.region)
    parameters.sizes = [4096, 1 << 20]
    let larger = try BenchGuest(parameters, lender: lender)
    #expect(larger.sharedPayload.region !== lender.sharedPayload.region)
    #expect(larger.shadow?.region !== lender.shadow?.region)
  }

  @Test func buffersLieSpreadOverMemoryThatIsNotThere() throws {
    var parameters = CostParameters()
    (parameters.paths, parameters.sizes, parameters.depth) = ([.swiotlb], [64], 64)
    (parameters.swiotlbMebibytes, parameters.memorySpan) = (1, 64 << 30)
    let guest = try BenchGuest(parameters)
    let stride = PayloadPool.stride(for: 64, over: 64 << 30, count: 64)
    let pool = PayloadPool(guest.sharedPayload, bytes: 64, stride: stride)
    for slot in 0..<64 {
      let segment = pool.segment(slot)
      #expect(guest.memory.deviceTable.translate(segment.address, length: 64) == pool.host(slot))
      unsafe pool.host(slot).pointer.storeBytes(of: UInt8(slot), as: UInt8.self)
      // Another line of its page each, and another page.
      #expect(segment.address.rawValue % 4096 == UInt64(slot * 64 % 4096))
    }
    #expect(pool.segment(63).address.rawValue - pool.segment(0).address.rawValue > 60 << 30)
  }

  /// Under a container's usual profile: where the pages are only describes a run.
  @Test(.afterTheOthers) func pagesWhoseNodeIsNotToldAreSaidToBeUnknown() async {
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
