import RingKit
import VhostUser

/// Random bytes for a guest: `Entropy SOCKET`, then QEMU's `-device vhost-user-rng-pci` over that socket.
final class Entropy: VhostUserDevice {
  let queueCount = 1
  private var generator = SystemRandomNumberGenerator()

  func serve(_ queue: inout VringQueue, index: Int, limit: Int) throws(VringFailure) -> VringProgress {
    try queue.serve(atMost: limit) { buffer throws(VringFailure) in
      try buffer.write(count: min(buffer.writableCount, 4096)) { generator.next() }
    }
  }

  /// Nothing is kept that came from a driver.
  func reset() {}
}

let server = try VhostUserServer(at: CommandLine.arguments.dropFirst().first ?? "entropy.socket")
try server.stop(onSignals: [2, 15])
try server.run(
  Entropy(),
  telling: { event in
    if case .ended(_, let failure?) = event { print("a front-end was sent away:", failure) }
  })
