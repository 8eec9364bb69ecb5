import FoundationEssentials
import RingKit
import RingPlatform
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchReport

@Suite struct ExplainDeviceTests {
  private func run(_ arguments: [String]) throws -> DeviceReport {
    DeviceReport(devices: try DeviceExplanation.find(arguments))
  }

  @Test func everyKindIsListedWithItsVerdictAndItsReason() throws {
    let report = try run([])
    #expect(report.devices.map(\.number) == DeviceKind.allCases.map(\.rawValue))
    let text = report.overview()
    let flat = text.split(whereSeparator: { $0 == " " || $0 == "\n" }).joined(separator: " ")
    for device in report.devices {
      let demand = try #require(DeviceKind(name: device.kind)).demand
      #expect(flat.contains(" \(device.kind) ") && flat.contains(demand.reason))
      #expect(device.isTakenWhenSecure == [.bounces, .restricted].contains(demand.verdict))
      if let change = device.change { #expect(flat.contains(change)) }
    }
  }

  @Test func theBalloonIsRefusedWithItsReasonAndWhatWouldHaveToChange() throws {
    let report = try run(["balloon"])
    #expect(report.devices.map(\.isTakenWhenSecure) == [false])
    let text = report.inFull()
    for part in ["page frame numbers", "refuses it; any other takes it", "What has to change", "made shared"] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test func whatIsWithheldIsNamedByItsBits() throws {
    let report = try run(["gpu"])
    #expect(report.devices[0].withheldBits == [3, 5])
    #expect(report.inFull().contains("not accepted there, though offered: 3, 5"))
  }

  @Test func aKindHasANameAndANumber() throws {
    #expect(try run(["5", "network"]).devices.map(\.kind) == ["balloon", "network"])
    #expect(throws: BenchError.usage("'balloon' is in the list twice")) { try run(["5,1", "balloon"]) }
  }

  @Test func aKindThatIsNoneIsRefusedInOneLine() {
    for arguments in [["floppy"], ["balloon,14"], ["5 5"]] {
      let error = #expect(throws: BenchError.self) { try run(arguments) }
      #expect(error?.exitCode == 2)
      #expect(error?.message.contains("'ringbench explain --device' lists them") == true)
      #expect(error?.message.contains("\n") == false)
    }
  }

  @Test func theJSONComesBackAsItWas() throws {
    let report = try run([])
    let text = try JSONText.encode(report)
    let back = try JSONDecoder().decode(DeviceReport.self, from: Data(text.utf8))
    #expect(back.devices.count == report.devices.count)
    #expect(try JSONText.encode(back) == text)
  }

  @Test func noLineIsWiderThanTheOthersMayBe() throws {
    let text = try run([])
    for line in (text.overview() + text.inFull()).split(separator: "\n") { #expect(line.count <= TextWidth.standard) }
  }
}
