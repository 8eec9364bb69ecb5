#if Bench
import ArgumentParser
import BenchHarness
import CRing
import RingIOMMU

/// `ringbench viommu-server`: the VMM's part of the path `viommu`; started by ringbench itself.
///
/// Serves the driver's connection on the driver's CPU and the device's on the device's, as a VMM handles an exit on the
/// CPU it came from, and ends when both are closed.
struct ViommuServerCommand: ParsableCommand {
  static let name = "viommu-server"

  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Holds translations for the path viommu; started by ringbench.", shouldDisplay: false)

  @Option var parent: Int32
  @Option var driverCpu: Int
  @Option var deviceCpu: Int
  @Flag var smallPages = false

  func run() throws {
    for descriptor in [ViommuProcess.driverDescriptor, ViommuProcess.deviceDescriptor] {
      guard cring_channel_set_timeout(descriptor, 0) == 0 else {
        throw BenchError.usage("\(Self.name) is started by ringbench, with a socket at descriptor \(descriptor)")
      }
    }
    // A signal reaches the whole group; the parent still has something to finish, and ends this one by closing.
    Interrupt.ignore()
    let error = cring_child_follow_parent(parent)
    guard error == 0 else { throw BenchError.machine("the parent cannot be followed: \(Errno.text(error))") }
    let server = ViommuServer(usesLargePages: !smallPages)
    let threads = [
      try PinnedThread(cpu: driverCpu) { Self.serve(server, ViommuProcess.driverDescriptor, .driver) },
      try PinnedThread(cpu: deviceCpu) { Self.serve(server, ViommuProcess.deviceDescriptor, .device) },
    ]
    let ends = threads.map { $0.join() }
    if let bad = ends.first(where: { $0 != .closed }) { throw BenchError.check("a connection ended with \(bad)") }
  }

  private static func serve(
    _ server: ViommuServer, _ descriptor: Int32, _ role: ViommuRole
  ) -> ViommuServerEnd {
    // A server that pushed its client off the CPU before that has gone to sleep would count as a disturbance.
    _ = cring_thread_yields()
    return server.serve([(ViommuSocket(attaching: descriptor), role)])[0]
  }
}
#endif
