#if Bench
import ArgumentParser
import BenchTestSupport
import FoundationEssentials
import Testing

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchPaths
@testable import BenchPlan
@testable import BenchReport
@testable import BenchRuns
@testable import RingBench

@Suite struct SimulateTests {
  private func parse(_ line: String) throws -> SimulateParameters {
    let command = try SimulateCommand.parse(line.split(separator: " ").map { String($0) })
    return try command.what.parameters(command.cpus, on: .fixture)
  }

  @Test func optionsMeanWhatTheySay() throws {
    let parameters = try parse("--model iova-tree --cpus 8 --cpus 2 --primitive serve=700,copy=0.5 --seed 9")
    #expect(parameters.models == [.iovaTree] && parameters.cpus == [2, 8] && parameters.seed == 9)
    #expect(parameters.given == [.serve: 700, .copy: 0.5] && parameters.needsMeasuring)
    #expect((parameters.driverCPU, parameters.deviceCPU) == (0, 1))
    let all = Primitive.allCases.map { "--primitive \($0.name)=1" }.joined(separator: " ")
    #expect(try !parse(all).needsMeasuring)
  }

  @Test(arguments: [
    "--model lock", "--cpus 0", "--cpus 129", "--cpus x", "--cpus ,", "--primitive serve", "--primitive none=1",
    "--primitive serve=-1", "--primitive serve=fast", "--primitive serve=nan", "--operations 1",
    "--driver-cpu 1 --device-cpu 1", "--cpus 1,,2", "--cpus 2,2", "--primitive copy=1,copy=2",
  ])
  func nonsenseIsRefusedAsUsage(_ line: String) throws {
    let error = #expect(throws: BenchError.self) { try parse(line) }
    #expect(error?.exitCode == 2)
    #expect(error?.message.contains("\n") == false)
  }

  private func given(_ time: Double) -> SimulateParameters {
    var parameters = SimulateParameters()
    for name in Primitive.allCases { parameters.given[name] = time }
    parameters.operations = 100
    parameters.cpus = [4]
    return parameters
  }

  @Test func whatTakesNoTimeIsRefused() {
    let run = SimulationRun(parameters: given(0), machine: .fixture)
    let error = #expect(throws: BenchError.self) { try run.run(progress: Progress()) }
    #expect(error?.exitCode == 2)
  }

  @Test func everyRowSaysThatItIsSimulated() throws {
    struct Shape: Decodable {
      struct Row: Decodable {
        let simulated: Bool
        let model: String
        let cpus: Int
        let operationsPerSecond, nsPerOperation, scaling, lockWaitShare, unitWaitShare: Double
        let saturation: Double?
      }
      struct Cost: Decodable {
        let name, source: String
        let nanoseconds: Double
      }
      let simulated: Bool
      let results: [Row]
      let primitives: [Cost]
    }
    let report = try SimulationRun(parameters: given(10), machine: .fixture).run(progress: Progress())
    let shape = try JSONDecoder().decode(Shape.self, from: Data(try JSONText.encode(report).utf8))
    #expect(shape.simulated && shape.results.count == LockModel.allCases.count)
    #expect(shape.results.allSatisfy { $0.simulated && $0.cpus == 4 })
    #expect(
      shape.primitives.count == Primitive.allCases.count && shape.primitives.allSatisfy { $0.source == "injected" })
    let text = report.text()
    for model in LockModel.allCases { #expect(text.contains("\(model.name) (simulated)")) }
    #expect(text.hasPrefix("SIMULATED"))
  }
}
#endif
