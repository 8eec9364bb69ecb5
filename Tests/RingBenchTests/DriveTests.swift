#if Bench
import Glibc
import RingIOMMU
import RingKit
import RingKitTesting
import Testing
import VhostUser

@testable import BenchDocument
@testable import BenchHarness
@testable import BenchPage
@testable import BenchReport

/// `ringbench drive` and `ringbench device` as programs, at each other or at one end that misbehaves.
@Suite(.timeLimit(.minutes(10))) struct DriveTests {
  /// A folder with a disk and a socket's path, gone with the test.
  private final class Disk {
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
    func serve(_ options: String = "", closed: [Int32] = []) throws -> ProgramRun {
      let run = try ProgramRun("device blk --socket \(socket) --file \(image) \(options)", closed: closed)
      run.waitUntilListening(at: socket)
      return run
    }

    deinit {
      unsafe unlink(socket)
      unsafe unlink(image)
      unsafe rmdir(folder)
    }
  }

  /// Waits until the device has read some of its disk, the proof that requests are done.
  private static func waitForRequests(_ device: ProgramRun, _ drive: ProgramRun) {
    func hasWorked() -> Bool {
      let text = SystemFile.text("/proc/\(device.process.processIdentifier)/io") ?? ""
      let count = text.split(separator: "\n").first { $0.hasPrefix("rchar: ") }?.dropFirst(7)
      return count.flatMap { UInt64($0) }.map { $0 > 4 << 20 } ?? true
    }
    while !hasWorked(), drive.process.end == nil { usleep(10_000) }
  }

  @Test func whatWasDoneBeforeTheDeviceWasKilledIsReported() throws {
    let disk = try Disk()
    let device = try disk.serve()
    let drive = try ProgramRun("drive blk --socket \(disk.socket) --requests 1000000000 --format json")
    Self.waitForRequests(device, drive)
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

  @Test func theQueuesOfADeviceAreServedByAsManyThreadsAsAskedFor() throws {
    let disk = try Disk()
    let device = try disk.serve("--queues 4 --threads 3 --once --format json")
    let drive = try ProgramRun("drive blk --socket \(disk.socket) --requests 1000000000 --format json")
    Self.waitForRequests(device, drive)
    // Beside the one that hears the front-end.
    #expect(SystemFile.names(in: "/proc/\(device.process.processIdentifier)/task").count == 4)
    kill(drive.process.processIdentifier, SIGINT)
    #expect(drive.end().end == .exited(code: 130))
    #expect(device.end().end == .exited(code: 0))
    for count in ["0", "65", "-1"] {
      let (end, _, errors) = try ProgramRun(
        "device blk --socket \(disk.socket) --file \(disk.image) --threads \(count)"
      ).end()
      #expect(end == .exited(code: 2) && errors.contains("--threads is 1 to 64, not \(count)"))
    }
  }

  /// What is opened first must not become a standard stream: the report would be written into the disk.
  @Test(arguments: [[0], [1], [2], [0, 1, 2]] as [[Int32]])
  func aStreamThatIsClosedDoesNotBecomeTheDisk(closed: [Int32]) throws {
    let disk = try Disk()
    let device = try disk.serve("--once", closed: closed)
    let connection = try VhostUserConnection(connectingTo: disk.socket)
    try connection.send(FrontendMessage.getFeatures.encoded())
    _ = try Self.answer(connection)
    for number in closed {
      let link = "/proc/\(device.process.processIdentifier)/fd/\(number)"
      var target = [CChar](repeating: 0, count: 256)
      #expect(unsafe readlink(link, &target, 255) == 1 && target[0] == CChar(UInt8(ascii: "/")), "\(number)")
    }
    try connection.send(VhostUserMessage(request: 99))
    let (end, _, errors) = device.end()
    #expect(end == .exited(code: 1))
    #expect(closed != [1] || errors.contains("cannot write to standard output: Bad file descriptor"))
    var status = stat()
    #expect(unsafe stat(disk.image, &status) == 0 && status.st_size == 16 << 20)
  }

  /// What waits at a path leaves nothing there when it is told to end.
  @Test(arguments: ["device", "device rng"]) func aSignalLeavesNoSocketBehind(command: String) throws {
    let disk = try Disk()
    let device = try ProgramRun("\(command) --socket \(disk.socket)")
    device.waitUntilListening(at: disk.socket)
    kill(device.process.processIdentifier, SIGTERM)
    let (end, _, errors) = device.end()
    #expect(end == .exited(code: command == "device" ? 143 : 0), "\(errors)")
    #expect(!SystemFile.exists(disk.socket))
  }

  /// One signal ends a run whose device does not answer, whatever the time an answer has.
  @Test func aSignalEndsARunWhoseDeviceIsSilent() throws {
    let disk = try Disk()
    // Nothing is accepted there.
    let listener = try VhostUserListener(at: disk.socket)
    let options = "drive blk --socket \(disk.socket) --timeout-ms 600000 --requests 1000000000 --format json"
    let silent = try ProgramRun(options)
    var set = PollSet()
    set.add(listener.fileDescriptor)
    while !(try set.wait(milliseconds: 100)), silent.process.end == nil {}
    usleep(100_000)
    kill(silent.process.processIdentifier, SIGINT)
    #expect(silent.end().end == .exited(code: 130))
  }

  @Test func aSignalEndsARunWhoseDeviceStopped() throws {
    let disk = try Disk()
    let device = try disk.serve()
    let drive = try ProgramRun(
      "drive blk --socket \(disk.socket) --timeout-ms 600000 --requests 1000000000 --format json")
    Self.waitForRequests(device, drive)
    kill(device.process.processIdentifier, SIGSTOP)
    usleep(100_000)
    kill(drive.process.processIdentifier, SIGTERM)
    let (end, output, errors) = drive.end()
    #expect(end == .exited(code: 143), "\(errors)")
    let document = try ResultDocument.decode(output, named: "drive")
    #expect(document.results.first?.figure("requests")?.value ?? 0 > 0)
    kill(device.process.processIdentifier, SIGKILL)
    _ = device.end()
  }

  @Test func aDiskThatDoesNotTellItsNameIsDrivenAllTheSame() throws {
    let disk = try Disk()
    let listener = try VhostUserListener(at: disk.socket)
    let drive = try ProgramRun("drive blk --socket \(disk.socket) --requests 100 --format json")
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
    let disk = try Disk()
    let first = try disk.serve()
    let second = try ProgramRun("device blk --socket \(disk.socket)2 --file \(disk.image)")
    let (end, _, errors) = second.end()
    #expect(end == .exited(code: 3) && errors.contains("in use") && errors.split(separator: "\n").count == 1)
    kill(first.process.processIdentifier, SIGKILL)
    #expect(first.end().end == .killed(signal: SIGKILL))
  }

  @Test(arguments: ["", "--layout packed", "--layout packed --in-order --size 5000", "--path iommu-strict --size 7"])
  func anEntropyDeviceFillsWhatItIsSent(options: String) throws {
    let disk = try Disk()
    let device = try ProgramRun("device rng --socket \(disk.socket) --once")
    device.waitUntilListening(at: disk.socket)
    let drive = try ProgramRun("drive rng --socket \(disk.socket) --requests 3000 --format json \(options)")
    let (end, output, errors) = drive.end()
    #expect(end == .exited(code: 0), "\(errors)")
    #expect(device.end().end == .exited(code: 0))
    let row = try #require(ResultDocument.decode(output, named: "drive").results.first)
    // Of a buffer beyond a page it fills a page.
    let size = options.contains("5000") ? 4_096 : options.contains("7") ? 7 : 64
    #expect(row.figure("requests")?.value == 3_000 && row.figure("bytesIn")?.value == Double(3_000 * size))
  }

  private static func answer(_ connection: VhostUserConnection) throws -> VhostUserMessage {
    while true {
      if let message = try connection.receive() { return message }
      _ = try connection.wait(milliseconds: 100)
    }
  }

  @Test func connectionsThatEndInTheSameWayAreSaidOnce() throws {
    let disk = try Disk()
    let device = try disk.serve()
    for _ in 0..<4 {
      let connection = try VhostUserConnection(connectingTo: disk.socket)
      try connection.send(VhostUserMessage(request: 99))
      #expect(throws: VhostUserError.self) { _ = try Self.answer(connection) }
    }
    // One that ends well, and one that is answered when all is said of that.
    for _ in 0..<2 {
      let connection = try VhostUserConnection(connectingTo: disk.socket)
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
    try queue.serve(atMost: limit) { buffer throws(VringFailure) in
      let isName = try buffer.read(UInt32.self) == 8
      try buffer.write(count: buffer.writableCount - 1) { 0 }
      try buffer.write(isName ? 1 as UInt8 : 0)
    }
  }
}
#endif
