import FuzzSupport
import Glibc
import RingIOMMU
import RingKit
import RingPlatform

/// A peer that sends anything over the socket on which a driver hands a device in another process its memory and
/// queues: to the device's end, or as answers to the driver's.
@_cdecl("LLVMFuzzerTestOneInput")
public func hostileSocket(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = FuzzInput(data, count)
  Files.reset()
  _ = guest
  let (open, mapped) = (openDescriptorCount(), sharedMappingCount())
  let peer = SocketPeer()
  if input.byte() & 1 == 0 {
    attackDevice(peer, mapped, &input)
  } else {
    attackDriver(peer, &input)
  }
  peer.close()
  check(openDescriptorCount() == open, "\(openDescriptorCount() - open) descriptors stay open")
  check(sharedMappingCount() == mapped, "\(sharedMappingCount() - mapped) mappings stay")
  return 0
}

// MARK: the device's end

private func attackDevice(_ peer: SocketPeer, _ mapped: Int, _ input: inout FuzzInput) {
  weak var region: MemoryRegion?
  do {
    let endpoint = DeviceEndpoint(DeviceSocket(attaching: peer.takeOther()))
    var memory: GuestMemory?
    var steps = 0
    while !input.isEmpty && steps < 32 {
      steps += 1
      peer.sendRequest(&input)
      do throws(DeviceHandshakeError) {
        switch try endpoint.next() {
        case .memory(let found):
          check(memory == nil, "memory twice")
          (memory, region) = (found, found.regions.first)
          touch(found)
          try endpoint.agree()
        case .queue(let queue):
          guard let memory else { fatalError("finding: a queue before the memory") }
          if let error = serve(queue, memory) { try endpoint.refuse("\(error)") } else { try endpoint.agree() }
        case .start(let program):
          check(program.count == 8, "\(program.count) words of a program")
          try endpoint.agree()
        }
      } catch {
        check(!error.description.isEmpty, "an error without a word")
        // It says why and ends: nothing that comes later is looked at.
        if error != .closed { peer.checkAnswer(status: 1) }
        check(peer.isAtEnd, "the connection goes on after \(error)")
        break
      }
      peer.checkAnswer(status: nil)
      // The memory is all that a device keeps: each region once, and nothing of a queue that was served or refused.
      let (kept, regions) = (sharedMappingCount() - mapped, memory?.regions.count ?? 0)
      check(kept == regions, "\(kept) mappings of \(regions) regions")
    }
  }
  check(region == nil, "memory stays mapped")
}

/// Both ends of what was mapped are there.
private func touch(_ memory: GuestMemory) {
  check((1...8).contains(memory.regions.count), "\(memory.regions.count) regions")
  for region in memory.regions {
    let start = region.hostBase.pointer
    _ = start.load(as: UInt8.self) &+ start.load(fromByteOffset: region.byteCount - 1, as: UInt8.self)
  }
}

/// What a device does with a queue it is handed: sets it up, goes on where it is told, and serves what is there.
private func serve(_ queue: DeviceQueueDescription, _ memory: GuestMemory) -> DeviceHandshakeError? {
  check((queue.windows?.count ?? 0) <= 3, "\(queue.windows?.count ?? 0) windows")
  do throws(DeviceHandshakeError) {
    if let domain = queue.domain {
      try serve(
        queue, memory,
        RemoteIOMMUTranslator(domain: domain, memory: memory, iotlbSets: queue.iotlbSets, counter: UncountedWork()))
      return nil
    }
    guard let windows = queue.windows else {
      try serve(queue, memory, RegionTranslator(memory: memory, counter: UncountedWork()))
      return nil
    }
    let domain: IOMMUDomain
    do throws(DMAError) {
      domain = try IOMMUDomain(memory: memory, windows: windows, usesLargePages: queue.usesLargePages)
    } catch { throw .mapping(error) }
    try serve(queue, memory, IOMMUTranslator(domain: domain, iotlbSets: queue.iotlbSets, counter: UncountedWork()))
    return nil
  } catch { return error }
}

private func serve<Translator: DMATranslator & ~Copyable>(
  _ queue: DeviceQueueDescription, _ memory: GuestMemory, _ translator: consuming Translator
) throws(DeviceHandshakeError) {
  if queue.isPacked {
    let ring = try queue.packedRing(in: memory)
    var device: PackedDeviceQueue<Translator>
    do throws(ConfigurationError) {
      device = try PackedDeviceQueue(queue.configuration, ring: ring, translator: translator)
    } catch { throw .ring(error) }
    guard device.resume(at: queue.position) else { throw .wrongPosition(queue.position) }
    serve(&device, memory)
  } else {
    let ring = try queue.splitRing(in: memory)
    var device: SplitDeviceQueue<Translator>
    do throws(ConfigurationError) {
      device = try SplitDeviceQueue(queue.configuration, ring: ring, translator: translator)
    } catch { throw .ring(error) }
    guard device.resume(at: queue.position) else { throw .wrongPosition(queue.position) }
    serve(&device, memory)
  }
}

private func serve<Device: DeviceQueue & ~Copyable>(_ device: inout Device, _ memory: GuestMemory) {
  do {
    _ = try device.serve(atMost: 64) { chain, segments throws(Never) in
      for i in segments.indices {
        let segment = segments[i]
        check(
          memory.regions.contains {
            segment.host.rawValue >= $0.hostBase.rawValue
              && segment.host.rawValue - $0.hostBase.rawValue + UInt(segment.byteCount) <= UInt($0.byteCount)
          }, "\(segment) is not in the memory that was passed")
      }
      return 0
    }
  } catch {
    guard case .queue(let failure) = error else { return }
    check(device.isBroken, "\(failure), and the queue is not broken")
  }
}

// MARK: the driver's end

private let guest = FuzzGuest(isBouncing: true)

private func attackDriver(_ peer: SocketPeer, _ input: inout FuzzInput) {
  // All answers wait in the socket before anything is asked; behind the last is the end.
  let bits = input.byte()
  var answers = 0
  while !input.isEmpty && answers < 16 {
    answers += 1
    peer.sendAnswer(&input)
  }
  peer.finishSending()
  do throws(DeviceHandshakeError) {
    let link = try DeviceLink(DeviceSocket(attaching: peer.takeOther()))
    if bits & 1 != 0 { _ = link.hasEnded }
    try allowingRefusal { () throws(DeviceHandshakeError) in try link.share(guest.memory) }
    let size = 1 << Int(bits >> 4 & 3)
    let buffer = guest.ring(byteCount: SplitRing.byteCount(size: size))
    let ring = must { try SplitRing(in: buffer, size: size) }
    for _ in 0..<Int(bits >> 1 & 3) {
      let queue = DeviceQueueDescription(QueueConfiguration(size: size), ring)
      try allowingRefusal { () throws(DeviceHandshakeError) in try link.attach(queue) }
    }
    try allowingRefusal { () throws(DeviceHandshakeError) in try link.start([UInt64(bits)]) }
    if let text = try link.report() { checkText(text) }
  } catch {
    check(!error.description.isEmpty && error != .timedOut, "\(error)")
  }
}

private func allowingRefusal(_ body: () throws(DeviceHandshakeError) -> Void) throws(DeviceHandshakeError) {
  do throws(DeviceHandshakeError) { try body() } catch {
    guard case .refused(let text) = error else { throw error }
    checkText(text)
  }
}

private func checkText(_ text: String) {
  // A byte that is no UTF-8 becomes three.
  check(text.utf8.count <= 3 * 224, "\(text.utf8.count) bytes of a reason")
  check(text.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }, "a reason with control characters")
}
