import CRing
import RingKit
import RingKitTesting
import RingPlatform

/// A guest with a page that is shared and one that is not, and both ends of a connection.
struct IsolationFixture {
  let shared: MemoryRegion
  let hidden: MemoryRegion
  let memory: GuestMemory

  static let sharedBase = GuestPhysicalAddress(0x4000_0000)
  static let hiddenBase = GuestPhysicalAddress(0x8000_0000)
  static let byteCount = 64 << 10

  init() throws {
    shared = try MemoryRegion(at: Self.sharedBase, byteCount: Self.byteCount)
    hidden = try MemoryRegion(at: Self.hiddenBase, byteCount: Self.byteCount, isShared: false)
    memory = try GuestMemory([shared, hidden])
  }

  /// A split queue of eight at the start of the shared region.
  func splitQueue() throws -> DeviceQueueDescription {
    var allocator = RegionAllocator(shared)
    let ring = try SplitRing(in: allocator.allocate(SplitRing.byteCount(size: 8), alignment: 128), size: 8)
    return DeviceQueueDescription(QueueConfiguration(size: 8), ring)
  }

  /// What a device got, and the error that ended it.
  final class Device: @unchecked Sendable {
    var memory: GuestMemory?
    var queues: [DeviceQueueDescription] = []
    var program: [UInt64] = []
    var error: DeviceHandshakeError?
  }

  /// Agrees to everything until the connection ends, on a thread.
  static func serve(_ socket: DeviceSocket) -> (device: Device, thread: TestThread) {
    let device = Device()
    let thread = TestThread {
      let endpoint = DeviceEndpoint(socket)
      do throws(DeviceHandshakeError) {
        while true {
          switch try endpoint.next() {
          case .memory(let memory): device.memory = memory
          case .queue(let queue): device.queues.append(queue)
          case .start(let program): device.program = program
          }
          try endpoint.agree()
        }
      } catch { device.error = error }
    }
    return (device, thread)
  }
}
