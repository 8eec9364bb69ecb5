import CRing
import Glibc
import Testing

@testable import VhostUser

/// A socket at a path, which other processes want too.
@Suite struct ListenerTests {
  private func path() -> String { "/tmp/ringkit-\(UInt32.random(in: 0 ... .max)).socket" }

  private func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  private func inUse(_ path: String) -> VhostUserError { .system(operation: "waiting at \(path)", errno: EADDRINUSE) }

  @Test func aSecondListenerTakesNoTurnOfTheFirst() throws {
    let path = path()
    let first = try VhostUserListener(at: path)
    for _ in 0..<3 { #expect(throws: inUse(path)) { _ = try VhostUserListener(at: path) } }
    #expect(try first.accept() == nil)
    _ = consume first
    #expect(!exists(path) && !exists(path + ".lock"))
  }

  /// A socket of another program's has no lock beside it.
  @Test(arguments: [false, true]) func aSocketThatIsAliveIsNotReplaced(isListening: Bool) throws {
    let path = path()
    let other = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    var at = sockaddr_un()
    at.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &at.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let bound = unsafe withUnsafePointer(to: &at) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(other, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0)
    // Between bind and listen it is as much alive as behind.
    if isListening { #expect(listen(other, 1) == 0) }
    #expect(throws: inUse(path)) { _ = try VhostUserListener(at: path) }
    #expect(exists(path) && !exists(path + ".lock"))
    if isListening { #expect(accept(other, nil, nil) == -1 && errno == EAGAIN) }
    close(other)
    // Now no process waits there.
    let listener = try VhostUserListener(at: path)
    #expect(try listener.accept() == nil)
  }

  @Test func whatIsNoSocketIsNotReplaced() throws {
    let path = path()
    let file = unsafe open(path, O_CREAT | O_RDWR, 0o600)
    #expect(file >= 0)
    #expect(throws: inUse(path)) { _ = try VhostUserListener(at: path) }
    #expect(exists(path) && !exists(path + ".lock"))
    close(file)
    unsafe unlink(path)
  }

  @Test func aFileOfAnotherProgramsIsNoLock() throws {
    let path = path()
    let file = unsafe open(path + ".lock", O_CREAT | O_RDWR, 0o600)
    #expect(unsafe write(file, "data", 4) == 4)
    close(file)
    #expect(throws: inUse(path)) { _ = try VhostUserListener(at: path) }
    #expect(!exists(path) && exists(path + ".lock"))
    unsafe unlink(path + ".lock")
  }

  @Test func aListenerThatGoesRemovesWhatIsItsOwn() throws {
    let path = path()
    var listener: VhostUserListener? = try VhostUserListener(at: path)
    unsafe unlink(path)
    let file = unsafe open(path, O_CREAT | O_RDWR, 0o600)
    #expect(try listener?.accept() == nil)
    listener = nil
    #expect(exists(path) && !exists(path + ".lock"))
    close(file)
    unsafe unlink(path)
  }

  @Test func whatAProcessLeftThatWasKilledIsReplaced() throws {
    let path = path()
    var left = cring_listener()
    #expect(unsafe cring_stream_listen(path, &left) == 0)
    #expect(throws: inUse(path)) { _ = try VhostUserListener(at: path) }
    // Closed, and still there, the lock's file too.
    cring_channel_close(left.fd)
    cring_channel_close(left.lock)
    #expect(exists(path) && exists(path + ".lock"))
    do {
      let listener = try VhostUserListener(at: path)
      #expect(try listener.accept() == nil)
      let connection = try VhostUserConnection(connectingTo: path)
      try connection.send(FrontendMessage.setOwner.encoded())
      let accepted = try #require(try listener.accept())
      #expect(try accepted.receive()?.request == 3)
    }
    #expect(throws: VhostUserError.system(operation: "connecting to \(path)", errno: ENOENT)) {
      _ = try VhostUserConnection(connectingTo: path)
    }
    let long = "/tmp/" + String(repeating: "x", count: 103)
    #expect(throws: VhostUserError.system(operation: "waiting at \(long)", errno: ENAMETOOLONG)) {
      _ = try VhostUserListener(at: long)
    }
  }

  @Test func aPeerThatAcceptsNobodyIsGivenUp() throws {
    let path = path()
    let listener = try VhostUserListener(at: path)
    var waiting: [VhostUserConnection] = []
    var failure: VhostUserError?
    // As many as it lets wait.
    while failure == nil && waiting.count < 64 {
      do throws(VhostUserError) { waiting.append(try VhostUserConnection(connectingTo: path, timeout: 1)) } catch {
        failure = error
      }
    }
    #expect(failure == .system(operation: "connecting to \(path)", errno: ETIMEDOUT))
    var asked = 0
    #expect(throws: VhostUserError.system(operation: "connecting to \(path)", errno: EINTR)) {
      _ = try VhostUserConnection(connectingTo: path, timeout: 1_000_000) {
        asked += 1
        return asked == 3
      }
    }
    // One that is accepted makes room.
    #expect(try listener.accept() != nil)
    _ = try VhostUserConnection(connectingTo: path, timeout: 1)
  }
}
