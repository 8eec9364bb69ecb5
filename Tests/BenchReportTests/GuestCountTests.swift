import BenchTestSupport
import RingKit
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

/// Instructions as the plugin writes them, without a guest.
@Suite struct GuestCountTests {
  private static let symbols = KernelSymbols(
    """
    ffffffff81000000 T virtqueue_add
    ffffffff81001000 t swiotlb_bounce
    ffffffffc0000000 t detach_buf_split	[virtio_ring]
    not an address

    """)

  private func boot(
    _ setting: GuestSetting, kernel: Int = 400_000, symbols: KernelSymbols? = nil, device: GuestDevice = .blk
  ) throws -> GuestBoot {
    let (lines, count) = (guestLines(more: guestTracedLines()), guestCountLines(kernel: kernel))
    let isDisk = device == .blk
    return try GuestBoot(
      GuestCase(setting, .split, bytes: isDisk ? 4096 : 1514, depth: 1, device: device),
      console: GuestConsole(isDisk ? lines : guestFrameLines(lines)), device: DeviceCounts(),
      count: GuestCount(isDisk ? count : guestFrameLines(count)), symbols: symbols)
  }

  @Test func thePluginsLinesAreTakenApart() throws {
    let count = try GuestCount(guestCountLines())
    #expect(count.passes.map(\.operation) == ["write", "read"])
    let pass = try #require(count.passes.first)
    #expect((pass.kernel, pass.user, pass.kernelRepeats, pass.userRepeats) == (400_000, 80_000, 1_600_000, 0))
    #expect(pass.blocks.count == 3 && pass.blocks.last?.address == 0xffff_ffff_8100_1000)
    #expect(pass.blocks.last?.repeats == 1_600_000)
    #expect(try GuestCount([]).passes.isEmpty)
  }

  @Test(arguments: [
    "pass write kernel=1 user=2 kernelRepeats=3", "pass write kernel=-1 user=2 kernelRepeats=3 userRepeats=0",
    "at ffffffff81000000 1 0", "end write", "pass write kernel=1 user=2 kernelRepeats=3 userRepeats=0",
    "pass write kernel=1 user=2 kernelRepeats=3 userRepeats=0\nat xyz 1 0\nend write",
    "pass write kernel=1 user=2 kernelRepeats=3 userRepeats=0\nend read", "something else",
  ])
  func whatIsNotOfThePluginsFormatIsRefused(text: String) {
    #expect(throws: BenchError.self) { try GuestCount(text.split(separator: "\n")) }
  }

  @Test func anAddressBelongsToTheFunctionThatBeginsBelowIt() {
    let symbols = Self.symbols
    #expect(symbols.count == 3)
    #expect(symbols.function(at: 0xffff_ffff_8100_0000)?.name == "virtqueue_add")
    #expect(symbols.function(at: 0xffff_ffff_8100_0fff)?.name == "virtqueue_add")
    #expect(symbols.function(at: 0xffff_ffff_8100_1000)?.name == "swiotlb_bounce")
    #expect(
      symbols.function(at: 0xffff_ffff_c000_0008) == KernelFunction(name: "detach_buf_split", module: "virtio_ring"))
    #expect(symbols.function(at: 0xffff_ffff_80ff_ffff) == nil)
  }

  @Test(arguments: [
    ("virtqueue_add_split", FunctionGroup.ring), ("vring_map_one_sg", .dmaMapping), ("iommu_dma_map_page", .dmaMapping),
    ("iommu_dma_alloc_iova", .iovaAllocation), ("alloc_iova_fast", .iovaAllocation), ("__iommu_map", .pageTable),
    ("dma_pte_clear_level", .pageTable), ("qi_submit_sync", .invalidation), ("iommu_flush_iotlb_psi", .invalidation),
    ("swiotlb_tbl_map_single", .bounceSearch), ("swiotlb_bounce", .bounceCopy), ("memcpy_erms", .bounceCopy),
    ("__blk_mq_end_request", .blockLayer), ("dd_dispatch_request", .blockLayer), ("__schedule", .scheduler),
    ("hrtimer_interrupt", .interrupts), ("_raw_spin_lock_irqsave", .helpers), ("vfs_write", .rest),
    ("cache_tag_flush_range", .invalidation), ("free_unref_page", .helpers), ("free_unref_page_list", .pageTable),
    ("fpsimd_thread_switch", .scheduler), ("gic_handle_irq", .interrupts), ("el0t_64_sync", .rest),
  ])
  func aFunctionHasTheGroupOfTheLongestBeginning(name: String, group: FunctionGroup) {
    #expect(FunctionGroup.of(KernelFunction(name: name)) == group)
  }

  @Test func aModuleDecidesWhereTheNameSaysNothing() {
    #expect(FunctionGroup.of(KernelFunction(name: "check_it", module: "virtio_ring")) == .ring)
    #expect(FunctionGroup.of(KernelFunction(name: "check_it", module: "virtio_blk")) == .blockLayer)
    #expect(FunctionGroup.of(KernelFunction(name: "refill", module: "virtio_net")) == .networkStack)
    #expect(FunctionGroup.of(KernelFunction(name: "check_it")) == .rest)
  }

  @Test func marksOfCodeAndDataAreNoFunctions() {
    let symbols = KernelSymbols("ffff800008000000 T first\nffff800008000010 t $x\t[virtio_ring]\n")
    #expect(symbols.count == 1 && symbols.function(at: 0xffff_8000_0800_0020)?.name == "first")
  }

  @Test func functionsAddUpToTheKernelsInstructions() throws {
    let boot = try boot(.swiotlb, symbols: Self.symbols)
    for functions in boot.functions {
      #expect(functions.map(\.function) == ["virtqueue_add", "swiotlb_bounce"])
      #expect(functions.map(\.instructions) == [240_000, 160_000] && functions.map(\.repeats) == [0, 1_600_000])
    }
    // 400,000 of 404,000 are within a percent; of 405,000 they are not.
    _ = try self.boot(.swiotlb, kernel: 404_000, symbols: Self.symbols)
    #expect(throws: BenchError.self) { try self.boot(.swiotlb, kernel: 405_000, symbols: Self.symbols) }
  }

  @Test func rowsHoldTheMedianAndTheExtremesOfTheirBoots() throws {
    var parameters = GuestParameters()
    parameters.settings = [.direct, .swiotlb]
    parameters.functions = true
    parameters.resolve(.tcg)
    let kernels: [(GuestSetting, Int)] = [
      (.direct, 397_000), (.swiotlb, 400_000), (.direct, 399_000), (.swiotlb, 403_000), (.direct, 398_000),
    ]
    let report = GuestReport(
      machine: .fixture, parameters: parameters, accelerator: .tcg, whyNotKVM: "no reason",
      boots: try kernels.map { try boot($0.0, kernel: $0.1, symbols: Self.symbols) }, interrupted: false)
    #expect(report.results.count == 2)
    let document = try report.document(RunStart(of: "guest").record(seed: nil, anonymous: true))
    let figure = { (row: Int, name: String) in document.results[row].figure(name) }
    #expect(document.results.map { $0.labels["setting"] } == ["direct", "swiotlb"])
    #expect(document.results.allSatisfy { $0.bytes == 4096 && $0.depth == 1 && $0.ring == .split })
    let direct = try #require(figure(0, "writeKernelInstructions"))
    #expect((direct.value, direct.low, direct.high) == (995, 992.5, 997.5))
    let bounced = try #require(figure(1, "readKernelInstructions"))
    #expect((bounced.value, bounced.low, bounced.high) == (1003.8, 1000, 1007.5))
    #expect(figure(1, "readKernelOverDirect")?.value == 8.8 && figure(0, "readKernelOverDirect") == nil)
    #expect(figure(1, "writeUserInstructions")?.value == 200 && figure(1, "writeKernelRepeats")?.value == 4000)
    #expect(figure(1, "writeInRing")?.value == 600 && figure(1, "writeInBounceCopy")?.value == 400)
    // The raw counts of each pass of each boot.
    #expect(document.details?["boots"]?.array?.count == 10)
    #expect(
      document.answer?.hasPrefix("A write of 4 KiB takes the guest's kernel 995 instructions when direct") == true)
    let text = TextWidth.fit(report.text(), TextWidth.standard)
    #expect(text.contains("bounce copy") && text.split(separator: "\n").allSatisfy { $0.count <= TextWidth.standard })
  }

  @Test func framesAreRowsBesideThoseOfTheDisk() throws {
    var parameters = GuestParameters()
    (parameters.settings, parameters.devices) = ([.direct, .swiotlb], [.blk, .net])
    parameters.functions = true
    parameters.resolve(.tcg)
    let boots = try GuestDevice.allCases.flatMap { device in
      try [(GuestSetting.direct, 400_000), (.swiotlb, 404_000)].map { setting, kernel in
        try boot(setting, kernel: kernel, symbols: Self.symbols, device: device)
      }
    }
    let report = GuestReport(
      machine: .fixture, parameters: parameters, accelerator: .tcg, whyNotKVM: "no reason", boots: boots,
      interrupted: false)
    let document = try report.document(RunStart(of: "guest").record(seed: nil, anonymous: true))
    #expect(document.results.map { $0.labels["guestDevice"] } == ["blk", "blk", "net", "net"])
    // Held against direct of the same device.
    let frames = document.results[3]
    #expect(frames.bytes == 1514 && frames.figure("exchangeKernelInstructions")?.value == 1010)
    #expect(frames.figure("exchangeKernelOverDirect")?.value == 10 && frames.figure("writeKernelOverDirect") == nil)
    #expect(frames.figure("exchangeInBounceCopy")?.value == 400)
    #expect(document.answer?.contains("A frame of 1,514 B, sent and returned, takes") == true)
    let text = TextWidth.fit(report.text(), TextWidth.standard)
    #expect(text.contains("frames of 1,514 B") && text.contains("exchange"))
    let side = ComparedSide([("a", document)])
    let names = try GuestComparison(side, side, threshold: 0.02).rows.map { "\($0.name): \($0.operation)" }
    #expect(names.count == 6 && names.last == "net, swiotlb, split, 1,514 B, 1 outstanding: exchange")
  }

  @Test func aPassThatThePluginDidNotCountIsMissed() throws {
    let half = try GuestCount(Array(guestCountLines().prefix(5)))
    #expect(throws: BenchError.self) {
      try GuestBoot(
        GuestCase(.direct, .split, bytes: 4096, depth: 1), console: GuestConsole(guestLines()), device: DeviceCounts(),
        count: half, symbols: nil)
    }
  }

  @Test func comparisonFindsMoreInstructionsWhereBootsDoNotOverlap() throws {
    var parameters = GuestParameters()
    parameters.settings = [.direct]
    parameters.resolve(.tcg)
    func side(_ kernels: [Int]) throws -> ComparedSide {
      let report = GuestReport(
        machine: .fixture, parameters: parameters, accelerator: .tcg, whyNotKVM: "no reason",
        boots: try kernels.map { try boot(.direct, kernel: $0) }, interrupted: false)
      return ComparedSide([("a", try report.document(RunStart(of: "guest").record(seed: nil, anonymous: true)))])
    }
    let base = try side([400_000, 404_000])
    let verdicts = { (kernels: [Int]) throws in
      try GuestComparison(base, side(kernels), threshold: 0.02).rows.map(\.verdict)
    }
    #expect(try verdicts([400_000, 404_000]) == [.same, .same])
    #expect(try verdicts([420_000, 424_000]) == [.more, .more])
    #expect(try verdicts([380_000, 384_000]) == [.fewer, .fewer])
    // Beyond the threshold, but one boot is among the others; apart, but within the threshold.
    #expect(try verdicts([403_000, 440_000]) == [.same, .same])
    #expect(try verdicts([405_000, 406_000]) == [.same, .same])
    let text = try GuestComparison(base, side([420_000, 424_000]), threshold: 0.02).text()
    #expect(text.contains("direct, split, 4 KiB, 1 outstanding") && text.contains("2 more"))
  }
}
