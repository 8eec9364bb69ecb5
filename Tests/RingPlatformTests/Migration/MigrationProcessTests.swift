import FoundationEssentials
import Glibc
import MigrationTestSupport
import RingIOMMU
import RingKit
import RingKitTesting
import TestTraits
import Testing

@testable import RingPlatform

@Suite("A queue that moves from process to process", .oneAtATime)
struct MigrationProcessTests {
  /// The program that was built along with these tests: it lies beside their bundle.
  private static let executable: String? = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").map { arguments[$0 + 1] } ?? arguments[0]
    var folder = bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)]
    // A bundle may be a folder with the program inside.
    while !folder.isEmpty {
      let path = "\(folder)/RingMigrant"
      if unsafe access(path, X_OK) == 0 { return path }
      folder = folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]
    }
    return nil
  }()

  @Test("migration 100 times under load: every buffer completes exactly once")
  func hundredTimes() throws {
    var random = SeededGenerator(for: "hundredTimes")
    var (stops, loaded) = (0, 0)
    for path in [MovingPath.direct, .identity, .iommuStrict, .swiotlb] {
      for isPacked in [false, true] {
        for (index, features) in MigrationTests.featureSets.enumerated() {
          let plan = MovingPlan(
            isPacked: isPacked, path: path, features: features, size: isPacked && index % 2 == 1 ? 15 : 16,
            singles: index == 0)
          let (count, full) = try move(plan, stops: 3, &random)
          stops += count
          loaded += full
        }
      }
    }
    #expect(stops >= 100)
    #expect(loaded * 2 > stops, "the queue moved empty \(stops - loaded) times of \(stops)")
  }

  /// Sends a queue through processes and takes it back; how many, and how many of them it left with something in
  /// flight.
  private func move(
    _ plan: MovingPlan, stops: Int, _ random: inout SeededGenerator
  ) throws -> (stops: Int, loaded: Int) {
    let program = try #require(Self.executable, "there is no RingMigrant beside the tests")
    let memory = try MovingMemory(plan)
    let queue = try MovingQueue(plan, memory)
    try queue.run(20, &random)
    var image = try queue.image(seed: random.next())
    let (memoryFile, mail) = (try #require(memory.region.fileDescriptor), try MovingMail())
    let mailFile = try #require(mail.region.fileDescriptor)
    var loaded = 0
    for stop in 0..<stops {
      mail.write(Array(try JSONEncoder().encode(image)))
      let process = try ChildProcess(starting: program, [], sockets: [memoryFile, mailFile])
      let end = process.wait()
      try #require(end == .exited(code: 0), "\(plan), stop \(stop): it \(end)")
      let before = image.driverLoad.completed
      image = try JSONDecoder().decode(MovingQueue.Image.self, from: Data(mail.read()))
      #expect(image.driverLoad.completed > before, "\(plan): nothing came back")
      loaded += image.driver.inFlight.isEmpty ? 0 : 1
    }
    try MovingQueue(plan, memory, from: image).finish()
    return (stops, loaded)
  }
}
