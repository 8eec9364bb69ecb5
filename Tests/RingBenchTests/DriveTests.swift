#if Bench
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting
import Testing
import VhostUser

@testable import BenchHarness
@testable import BenchReport

/// `ringbench drive` and `ringbench device` as programs, at each other or at one end that misbehaves.
@Suite(.timeLimit(.minutes(10))) struct DriveTests {
  /// A folder with a disk and a socket's path, gone with the test.
  private final class Place {
    let folder: String
    var socket: String { "\(folder)/socket" }
    var image: String { "\(folder)/image" }

    init() throws {
      var name = Array("/tmp/ringbench-drive-XXXXXX".utf8CString)
      try #require(unsafe mkdtemp(&name) != nil)
      folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let made = unsafe open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      ftruncate(made, 16 << 20)
      close(made)
    }

    /// Starts a disk, and waits until it can be reached.
    func serve(_ options: String = "") throws -> ProgramRun {
      let run = try ProgramRun("device blk --socket \(socket) --file \(image) \(options)")
      while !SystemFile.exists(socket), run.process.end == nil { usleep(10_000) }
      return run
    }

    deinit {
      unsafe unlink(socket)
      unsafe unlink(image)
      unsafe rmdir(folder)
    }
  }

  @Test func whatWasDoneBeforeTheDeviceWasKilledIsReported() throws {
    let place = try Place()
    let device = try place.serve()
    let drive = try ProgramRun("drive blk --socket \(place.socket) --requests 1000000000 --format json")
    // Its work is the proof that requests are done.
    func hasWorked() -> Bool {
      let text = SystemFile.text("/proc/\(device.process.processIdentifier)/io") ?? ""
      let count = text.split(separator: "\n").first { $0.hasPrefix("rchar: ") }?.dropFirst(7)
      return count.flatMap { UInt64($0) }.map { $0 > 4 << 20 } ?? true
    }
    while !hasWorked(), drive.process.end == nil { usleep(10_000) }
    kill(device.process.processIdentifier, SIGKILL)
    _ = device.end()
    let (end, output, errors) = drive.end()
    #expect(end == .exited(code: 1) && errors.contains("the peer closed the connection"))
    let document = try ResultDocument.decode(output, named: "drive")
    let failure = document.details?["failure"]
    #expect(failure?["text"]?.string == "the peer closed the connection" && failure?["exitCode"]?.integer == 1)
    let row = try #require(document.results.first)
    #expect(row.figure("requests")?.value ?? 0 > 0 && row.figure("nsPerRequest")?.value ?? 0 > 0)
  }

  @Test func aDiskThatDoesNotTellItsNameIsDrivenAllTheSame() throws {
    let place = try Place()
    let listener = try VhostUserListener(at: place.socket)
    let drive = try ProgramRun("drive blk --socket \(place.socket) --requests 100 --format json")
    var connection: VhostUserConnection?
    while connection == nil, drive.process.end == nil {
      connection = try listener.accept()
      usleep(1000)
    }
    let backend = VhostUserBackend(try #require(connection), device: NamelessDisk())
    #expect(throws: VhostUserError.closed) { try backend.run { false } }
    let (end, output, errors) = drive.end()
    let document = try ResultDocument.decode(output, named: "drive")
    #expect(end == .exited(code: 0) && document.results.first?.figure("requests")?.value == 100)
    #expect(document.details?["disk"]?["name"] == .null)
    #expect(errors.contains("the device does not tell its name"))
  }

  @Test func twoDisksOnOneImageAreRefusedInOneLine() throws {
    let place = try Place()
    let first = try place.serve()
    let second = try ProgramRun("device blk --socket \(place.socket)2 --file \(place.image)")
    let (end, _, errors) = second.end()
    #expect(end == .exited(code: 3) && errors.contains("in use") && errors.split(separator: "\n").count == 1)
    kill(first.process.processIdentifier, SIGKILL)
    #expect(first.end().end == .killed(signal: SIGKILL))
  }

  private static func answer(_ connection: VhostUserConnection) throws -> VhostUserMessage {
    while true {
      if let message = try connection.receive() { return message }
      _ = try connection.wait(milliseconds: 100)
    }
  }

  @Test func connectionsThatEndInTheSameWayAreSaidOnce() throws {
    let place = try Place()
    let device = try place.serve()
    for _ in 0..<4 {
      let connection = try VhostUserConnection(connectingTo: place.socket)
      try connection.send(VhostUserMessage(request: 99))
      #expect(throws: VhostUserError.self) { _ = try Self.answer(connection) }
    }
    // One that ends well, and one that is answered when all is said of that.
    for _ in 0..<2 {
      let connection = try VhostUserConnection(connectingTo: place.socket)
      try connection.send(FrontendMessage.getFeatures.encoded())
      _ = try Self.answer(connection)
    }
    kill(device.process.processIdentifier, SIGKILL)
    let lines = device.end().errors.split(separator: "\n").filter { $0.contains("request 99") }
    #expect(
      lines == [
        "ringbench: connection ended: request 99 is not known",
        "ringbench: ended 3 times more: request 99 is not known",
      ])
  }
}

/// A disk of zeros that fails to tell its name, as some do.
private final class NamelessDisk: VhostUserDevice {
  let deviceFeatures: VirtioFeatures = []
  let queueCount = 1
  // 1,024 sectors, and nothing else.
  let configuration: [UInt8] = [0, 4] + [UInt8](repeating: 0, count: 58)

  func configure(_ features: VirtioFeatures) {}

  func reset() {}

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    for _ in 0..<limit {
      let chain: DeviceChain
      do throws(QueueError) {
        guard let next = try queue.next() else { return .empty }
        chain = next
      } catch { throw .queue(error) }
      guard let header = queue.segments.first, let last = queue.segments.last else { return .idle }
      let isName = unsafe header.bytes[0] == 8
      unsafe last.bytes[last.byteCount - 1] = isName ? 1 : 0
      queue.complete(chain, written: UInt32(chain.writableByteCount))
    }
    return .more
  }
}
#endif
