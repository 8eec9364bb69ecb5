#if Bench
import BenchHarness
import CVhostUAPI
import Glibc
import RingIOMMU
import RingKit
import Testing
import VhostUser

/// `ringbench device net` as a program.
@Suite(.timeLimit(.minutes(5))) struct DeviceServerTests {
  /// A server at a path, once it waits there.
  private func serve(_ path: String, _ options: String = "") throws -> ProgramRun {
    let run = try ProgramRun("device net --socket \(path) \(options)")
    while !run.errorsSoFar.contains("waiting at") { usleep(1000) }
    return run
  }

  private func path() -> String { "/tmp/ringbench-server-\(UInt32.random(in: 0 ... .max))" }

  @Test("a front-end that comes while no descriptor is left waits, and the server goes on")
  func descriptors() throws {
    let path = path()
    let run = try serve(path, "--once")
    let process = run.process.processIdentifier
    // Standard input, output and error, the lock and the socket.
    try #require(cvhost_limit_descriptors(process, 5) == 0)
    let connection = try VhostUserConnection(connectingTo: path)
    try connection.send(FrontendMessage.getFeatures.encoded())
    while !run.errorsSoFar.contains("trying again") { usleep(1000) }
    #expect(try connection.receive() == nil)
    try #require(cvhost_limit_descriptors(process, 64) == 0)
    while try !connection.wait(milliseconds: 1000) {}
    #expect(try connection.receive()?.request == 1)
    _ = consume connection
    #expect(run.end().end == .exited(code: 0))
    #expect(unsafe access(path, F_OK) != 0)
  }

  @Test("another server at the same path is refused, and takes nothing from the one that waits there")
  func twoAtOnePath() throws {
    let path = path()
    let run = try serve(path, "--once")
    let (end, _, errors) = try ProgramRun("device net --socket \(path) --once").end()
    #expect(end == .exited(code: 3) && errors.contains("Address already in use"))
    let connection = try VhostUserConnection(connectingTo: path)
    try connection.send(FrontendMessage.getFeatures.encoded())
    while try !connection.wait(milliseconds: 1000) {}
    #expect(try connection.receive()?.request == 1)
    _ = consume connection
    #expect(run.end().end == .exited(code: 0))
    #expect(unsafe access(path, F_OK) != 0 && access(path + ".lock", F_OK) != 0)
  }
}
#endif
