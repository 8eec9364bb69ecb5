#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform
import VhostUser

/// Serves one front-end after the other with the same device, until it is told to end.
struct VhostServer<Device: VhostUserDevice> {
  let parameters: VhostParameters
  let device: Device
  /// What the device did so far: a name and a number each.
  let tally: () -> [(name: String, count: UInt64)]

  func run() throws {
    Interrupt.install()
    Interrupt.installTermination()
    let listener: VhostUserListener
    do throws(VhostUserError) { listener = try VhostUserListener(at: parameters.socket) } catch {
      throw BenchError.machine(error.text)
    }
    note("waiting at \(parameters.socket)")
    while !Interrupt.isRequested {
      guard let connection = try accept(listener) else { continue }
      let failure = try serve(connection)
      if parameters.isOnce {
        guard failure == nil || failure == .closed else { throw BenchError.check(failure?.text ?? "") }
        return
      }
    }
  }

  private func accept(_ listener: VhostUserListener) throws -> VhostUserConnection? {
    var set = PollSet()
    set.add(listener.fileDescriptor)
    guard try set.wait(milliseconds: 500) else { return nil }
    return try listener.accept()
  }

  /// Serves until the front-end goes; what it did wrong, if that was why.
  private func serve(_ connection: VhostUserConnection) throws -> VhostUserError? {
    let backend = VhostUserBackend(connection, device: device, options: parameters.options)
    let earlier = tally()
    var failure: VhostUserError?
    do throws(VhostUserError) {
      try backend.run {
        for (index, failure) in backend.takeFailures() { note("queue \(index) stopped: \(failure)") }
        return Interrupt.isRequested
      }
    } catch { failure = error }
    for (index, failure) in backend.takeFailures() { note("queue \(index) stopped: \(failure)") }
    if let failure, failure != .closed { note("connection ended: \(failure.text)") }
    let did = zip(tally(), earlier).map { ($0.name, $0.count - $1.count) }
    let report = VhostReport(backend, did: did, failure: failure)
    switch parameters.format {
    case .text: StandardStream.output.write(report.text)
    case .json: StandardStream.output.write(try JSONText.encode(report))
    }
    return failure
  }

  private func note(_ text: String) { StandardStream.error.write("ringbench: \(text)\n") }
}
#endif
