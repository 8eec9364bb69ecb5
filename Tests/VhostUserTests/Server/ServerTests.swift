import Glibc
import RingKit
import RingKitTesting
import Testing
import VhostUser

/// A server at a socket: one front-end after another, until it is told to end.
@Suite(.timeLimit(.minutes(20))) struct ServerTests {
  private func path() -> String { "/tmp/ringkit-\(UInt32.random(in: 0 ... .max)).socket" }

  private func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// Asks for the features, as a front-end does first.
  private static func ask(_ path: String) throws -> VhostUserConnection {
    let connection = try VhostUserConnection(connectingTo: path)
    try connection.send(FrontendMessage.getFeatures.encoded())
    while try connection.receive() == nil { _ = try connection.wait(milliseconds: 1000) }
    return connection
  }

  private final class Log: @unchecked Sendable {
    var failures: [VhostUserError?] = []
  }

  /// Runs a server on a thread of its own, until it is told to end.
  private static func start(_ server: VhostUserServer, _ log: Log = Log()) -> TestThread {
    TestThread {
      do throws(VhostUserError) {
        try server.run(
          BodyDevice { _ in },
          telling: { event in
            if case .ended(_, let failure) = event { log.failures.append(failure) }
          })
      } catch { log.failures.append(error) }
    }
  }

  @Test func servesOneFrontEndAfterAnother() throws {
    let path = path()
    let server = try VhostUserServer(at: path)
    let log = Log()
    let thread = Self.start(server, log)
    // Two that go, one that says what makes no sense, one that is there when the server ends.
    for _ in 0..<2 { _ = try Self.ask(path) }
    let wrong = try Self.ask(path)
    try wrong.send(VhostUserMessage(request: 99))
    let last = try Self.ask(path)
    server.stop()
    thread.join()
    #expect(!exists(path) && !exists(path + ".lock"))
    #expect(log.failures == [nil, nil, .unknownRequest(99), nil])
    #expect(throws: VhostUserError.closed) {
      while try last.receive() == nil { _ = try last.wait(milliseconds: 1000) }
    }
  }

  /// Counts how often it was told to forget everything.
  private final class ResetDevice: VhostUserDevice {
    let deviceFeatures: VirtioFeatures = []
    let queueCount = 1
    let configuration: [UInt8] = []
    private(set) var resets = 0

    func configure(_ features: VirtioFeatures) {}
    func reset() { resets += 1 }
    func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress { .idle }
  }

  private final class Ends: @unchecked Sendable {
    var backends: [VhostUserBackend<ResetDevice>] = []
    var resets: [Int] = []
  }

  /// Once for each connection, before it is told that it ended, however long the caller refers to it.
  @Test func theDeviceIsResetOnceBetweenTwoFrontEnds() throws {
    let path = path()
    let server = try VhostUserServer(at: path)
    let ends = Ends()
    let thread = TestThread {
      let device = ResetDevice()
      try? server.run(
        device,
        telling: { event in
          guard case .ended(let backend, _) = event else { return }
          ends.backends.append(backend)
          ends.resets.append(device.resets)
          if ends.resets.count == 3 { server.stop() }
        })
      ends.backends = []
      ends.resets.append(device.resets)
    }
    for _ in 0..<3 { _ = try Self.ask(path) }
    thread.join()
    #expect(ends.resets == [1, 2, 3, 3])
  }

  @Test func onlyTheUserCanConnect() throws {
    let path = path()
    var server: VhostUserServer? = try VhostUserServer(at: path)
    var status = stat()
    #expect(unsafe lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(throws: VhostUserError.self) { _ = try VhostUserServer(at: path) }
    _ = server
    server = nil
    #expect(!exists(path))
  }

  @Test func servesAtASocketThatWasPassed() throws {
    let path = path()
    let listener = try VhostUserListener(at: path)
    let server = try VhostUserServer(listening: dup(listener.fileDescriptor))
    let thread = Self.start(server)
    _ = try Self.ask(path)
    server.stop()
    thread.join()
    // It is the other's to remove.
    #expect(exists(path))
    #expect(throws: VhostUserError.notASocket) {
      _ = try VhostUserServer(listening: unsafe open("/dev/null", O_RDWR | O_CLOEXEC))
    }
    _ = listener.fileDescriptor
  }
}
