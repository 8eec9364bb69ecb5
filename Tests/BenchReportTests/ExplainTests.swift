import FoundationEssentials
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport

@Suite struct ExplainTests {
  /// A path that can be measured can be explained.
  @Test(arguments: DMAPath.allCases)
  func everyPathOfTheCommandLineIsExplained(path: DMAPath) throws {
    let found = try PathExplanations.find([path.name])
    #expect(found.map(\.path) == [path.name])
  }

  @Test func everyPathOfTheDesignIsThereOnce() {
    let names = PathExplanations.all.map(\.path)
    let expected: Set = [
      "direct", "identity", "iommu-strict", "iommu-lazy", "viommu", "premapped", "swiotlb", "dma-mask", "shadow",
      "hybrid", "mmu",
    ]
    #expect(Set(names) == expected)
    #expect(names.count == expected.count)
  }

  @Test func theJSONComesBackAsItWas() throws {
    let report = ExplainReport(paths: PathExplanations.all)
    let text = try JSONText.encode(report)
    let back = try JSONDecoder().decode(ExplainReport.self, from: Data(text.utf8))
    #expect(back.paths.count == report.paths.count)
    #expect(try JSONText.encode(back) == text)
  }

  @Test(arguments: PathExplanations.all)
  func anExplanationIsWholeAndItsSettingsHaveSources(explanation: PathExplanation) {
    #expect(!explanation.protects.isEmpty && !explanation.leavesOpen.isEmpty)
    let sentences =
      [explanation.standsFor, explanation.howTo, explanation.origin] + explanation.protects + explanation.leavesOpen
    for sentence in sentences { #expect(sentence.hasSuffix("."), "\(sentence)") }
    #expect(!explanation.summary.contains("\n") && explanation.summary.count <= 90)
    for setting in explanation.qemu + explanation.libvirt + explanation.kernel {
      #expect(!setting.text.isEmpty && !setting.effect.isEmpty)
      #expect(["Linux, ", "QEMU, ", "libvirt, "].contains { setting.source.hasPrefix($0) }, "\(setting.source)")
    }
    // A path that settings can reach has at least one.
    if explanation.hasSwitch {
      #expect(!explanation.qemu.isEmpty && !explanation.libvirt.isEmpty)
    }
  }

  @Test func aPathThatIsNoneIsRefusedWithTheChoices() {
    for arguments in [["swiotbl"], ["direct,none"]] {
      let error = #expect(throws: BenchError.self) { try PathExplanations.find(arguments) }
      #expect(error?.exitCode == 2)
      #expect(error?.message.contains("dma-mask") == true)
    }
  }

  @Test(arguments: [[","], ["direct,,mmu"], ["mmu", "mmu"]])
  func anEmptyOrARepeatedNameIsRefused(_ arguments: [String]) {
    #expect(throws: BenchError.self) { try PathExplanations.find(arguments) }
    #expect(throws: BenchError.self) { try DeviceExplanation.find(arguments) }
  }

  @Test func severalPathsComeInTheOrderAskedFor() throws {
    #expect(try PathExplanations.find(["mmu,direct", "viommu"]).map(\.path) == ["mmu", "direct", "viommu"])
    #expect(try PathExplanations.find([]).map(\.path) == PathExplanations.all.map(\.path))
  }

  @Test func theTextKeepsWithinItsColumnsButForSettings() {
    let settings = PathExplanations.all.flatMap { $0.qemu + $0.libvirt + $0.kernel }.map(\.text)
    let text = ExplainReport(paths: PathExplanations.all).inFull()
    for line in text.split(separator: "\n") where line.count > TextWidth.standard {
      #expect(settings.contains { line.hasSuffix($0) }, "\(line)")
    }
    for setting in settings { #expect(text.contains(setting)) }
    let overview = ExplainReport(paths: PathExplanations.all).overview()
    #expect(PathExplanations.all.allSatisfy { overview.contains($0.summary) })
  }
}
