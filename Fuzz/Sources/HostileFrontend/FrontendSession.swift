import FuzzSupport
import Glibc
import RingKit
import VhostUser

/// One input: a device, a front-end that begins well or not at all, and what it does then.
final class FrontendSession {
  let model = SessionModel()
  let peer: FrontendPeer
  var backend: VhostUserBackend<WatchedDevice>?
  /// One for all front-ends that come one after the other.
  let device: WatchedDevice
  let choice: UInt8
  let queueCount: Int

  init(_ input: inout FuzzInput) {
    choice = input.byte()
    let (own, other) = Self.sockets()
    peer = FrontendPeer(own, model)
    device = Self.device(choice, model)
    queueCount = device.queueCount
    attach(other)
  }

  static func sockets() -> (CInt, CInt) {
    var pair: [CInt] = [-1, -1]
    check(
      socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &pair) == 0, "no sockets")
    return (pair[0], pair[1])
  }

  static func device(_ choice: UInt8, _ model: SessionModel) -> WatchedDevice {
    var options = BlockOptions()
    options.isReadOnly = choice & 7 == 2
    options.queueCount = choice & 7 == 2 ? 3 : 1
    switch choice & 7 {
    case 0...2:
      let disk = must { try BlockDevice(path: "/proc/self/fd/\(Disk.file)", options: options) }
      // Requests that take several steps.
      if choice & 0x40 != 0 { disk.stepByteCount = 700 }
      return WatchedDevice(.block(disk), model)
    case 3: return WatchedDevice(.loopback(LoopbackDevice(frameCapacity: 4)), model)
    case 4: return WatchedDevice(.loopback(LoopbackDevice(pairCount: 2, frameCapacity: 2)), model)
    default: return WatchedDevice(.holder(Int(choice & 7) - 5), model)
    }
  }

  func attach(_ socket: CInt) {
    var options = VhostUserOptions()
    options.mustBeSealed = choice & 0x80 != 0
    backend = VhostUserBackend(must { try VhostUserConnection(attaching: socket) }, device: device, options: options)
  }

  /// A disk that may not be written is as it was, and none has become longer.
  func checkDisk() {
    check(lseek(Disk.file, 0, SEEK_END) == Disk.byteCount, "the disk has another size")
    if choice & 7 != 2 || model.diskIsMemory { return }
    check(FrontendMemory.isFilled(Disk.content, Disk.byteCount, 0x77), "a read-only disk changed")
  }

  func run(_ input: inout FuzzInput) {
    let features = input.byte()
    let start = input.byte()
    if start & 3 != 0 {
      // With a log and a status, or without.
      begin(features, protocolFeatures: (start & 4 == 0 ? 0x3229 : 0x3221) | (start & 8 == 0 ? 0 : 0x1_0002))
      if start & 3 > 1 { for index in 0..<min(queueCount, 2) { startRing(index, size: start >> 4) } }
    }
    var steps = 0
    while !input.isEmpty && steps < 48 && backend != nil {
      steps += 1
      step(&input)
      settle(&input)
    }
    backend = nil
  }

  /// What comes before the rings, as it should be.
  func begin(_ bits: UInt8, protocolFeatures: UInt64) {
    var features: UInt64 = 1 << 30 | 1 << 32
    for (bit, feature) in [(1, 34), (2, 33), (4, 28), (8, 29), (16, 35)] where Int(bits) & bit != 0 {
      features |= 1 << UInt64(feature)
    }
    // Without the log's protocol feature that would be the end of the session.
    let isLogging = bits & 128 != 0 && protocolFeatures & 2 != 0
    if isLogging { features |= 1 << 26 }
    if case .loopback = backend?.device.kind, bits & 32 == 0 { features |= 1 << 15 }
    peer.send(.init(request: 16, words: [protocolFeatures]))
    peer.send(.init(request: 3))
    peer.send(.init(request: 2, words: [features]))
    if bits & 2 != 0 { sendAndClose(peer.makeChannel()) }
    peer.send(peer.table())
    if isLogging { peer.send(.init(request: 6, words: [4096, 0], descriptors: [FrontendMemory.log])) }
    if bits & 2 != 0 && bits & 64 != 0 {
      for region in FrontendMemory.regions { peer.send(peer.translation(region.guest, 2, 1)) }
    }
  }

  /// A ring that can be served.
  func startRing(_ index: Int, size: UInt8) {
    let isPacked = model.features & 1 << 34 != 0
    let sizes: [UInt16] = isPacked ? [8, 1, 3, 16] : [8, 1, 2, 16]
    peer.rings[index].size = sizes[Int(size & 3)]
    peer.rings[index].isPacked = isPacked
    let base: UInt32 = isPacked ? 0x8000_8000 : 0
    peer.rings[index].begin(at: base)
    clear(index)
    peer.send(.init(request: 8, words: FrontendPeer.pair(index, UInt32(peer.rings[index].size))))
    peer.send(.init(request: 10, words: FrontendPeer.pair(index, base)))
    peer.send(peer.address(index, isLogged: model.features & 1 << 26 != 0))
    peer.send(.init(request: 13, words: [UInt64(index)], descriptors: [peer.call]))
    peer.send(.init(request: 12, words: [UInt64(index)], descriptors: [peer.kick(index)]))
    peer.send(.init(request: 18, words: FrontendPeer.pair(index, 1)))
  }

  private func clear(_ index: Int) {
    memset(FrontendMemory.base + Int(FrontendMemory.regions[0].offset + peer.rings[index].offset), 0, 0x1000)
  }

  func sendAndClose(_ message: FrontendPeer.Message) {
    peer.send(message)
    for descriptor in message.descriptors { close(descriptor) }
  }

  /// Lets the back-end do what there is to do, for a while: with a ring that is looked at without a kick there is no
  /// end.
  private func settle(_ input: inout FuzzInput) {
    var rounds = 0
    repeat {
      rounds += 1
      do throws(VhostUserError) {
        var turns = 0
        while turns < 8, let busy = try backend?.step(milliseconds: 0), busy { turns += 1 }
      } catch {
        check(!error.description.isEmpty, "an error without a word")
        backend = nil
      }
      for (_, failure) in backend?.takeFailures() ?? [] {
        check(!failure.description.isEmpty, "a failure without a word")
      }
      peer.drain()
    } while backend != nil && rounds < 8 && peer.answerMisses(&input)
  }
}
