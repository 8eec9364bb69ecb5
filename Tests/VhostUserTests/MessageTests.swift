import CVhostUAPI
import RingKit
import RingPlatform
import Testing
import VhostUser

/// What is sent, held against the kernel's own structures, and taken apart again.
@Suite struct MessageTests {
  /// The payload as a structure of the kernel's header.
  private func view<Structure: BitwiseCopyable>(_ message: VhostUserMessage, _ type: Structure.Type) -> Structure {
    unsafe message.payload.withUnsafeBytes { unsafe $0.loadUnaligned(as: type) }
  }

  @Test func errorsOfTheSystemAreInItsWords() {
    let error = VhostUserError.system(operation: "connecting to /none", errno: 2)
    #expect(error.description == "connecting to /none failed: No such file or directory")
  }

  @Test func vringStateIsTheKernels() throws {
    let message = FrontendMessage.setVringSize(VringState(index: 3, value: 256)).encoded()
    let kernel = view(message, vhost_vring_state.self)
    #expect(message.request == 8 && message.payload.count == MemoryLayout<vhost_vring_state>.size)
    #expect(kernel.index == 3 && kernel.num == 256)
    guard case .setVringSize(let state) = try FrontendMessage(message) else { throw Wrong() }
    #expect(state == VringState(index: 3, value: 256))
  }

  @Test func vringAddressIsTheKernels() throws {
    let address = VringAddress(
      index: 1, flags: 1, descriptors: 0x1111_2222_3333_4444, used: 0x5555, available: 0x6666, log: 0x7777)
    let message = FrontendMessage.setVringAddress(address).encoded(needsReply: true)
    let kernel = view(message, vhost_vring_addr.self)
    #expect(message.flags.rawValue == 9 && message.payload.count == MemoryLayout<vhost_vring_addr>.size)
    #expect(kernel.index == 1 && kernel.flags == 1 && kernel.desc_user_addr == 0x1111_2222_3333_4444)
    #expect(kernel.used_user_addr == 0x5555 && kernel.avail_user_addr == 0x6666 && kernel.log_guest_addr == 0x7777)
    guard case .setVringAddress(let back) = try FrontendMessage(message) else { throw Wrong() }
    #expect(back == address)
  }

  @Test func translationIsTheKernels() throws {
    let sent = IOTLBMessage(
      .update, address: IOVA(0xabc000), byteCount: 0x2000, userAddress: 0x7f00_0000, permissions: [.read, .write])
    let message = FrontendMessage.iotlb(sent).encoded()
    let kernel = view(message, vhost_iotlb_msg.self)
    #expect(message.payload.count == MemoryLayout<vhost_iotlb_msg>.stride)
    #expect(kernel.iova == 0xabc000 && kernel.size == 0x2000 && kernel.uaddr == 0x7f00_0000)
    #expect(kernel.perm == UInt8(VHOST_ACCESS_RW) && kernel.type == UInt8(VHOST_IOTLB_UPDATE))
    guard case .iotlb(let back) = try FrontendMessage(message) else { throw Wrong() }
    #expect(back == sent)
    #expect(IOTLBMessage.Kind.miss.rawValue == UInt8(VHOST_IOTLB_MISS))
    #expect(IOTLBMessage.Kind.invalidate.rawValue == UInt8(VHOST_IOTLB_INVALIDATE))
    #expect(IOTLBMessage.Kind.accessFailed.rawValue == UInt8(VHOST_IOTLB_ACCESS_FAIL))
    #expect(IOTLBPermissions.read.rawValue == UInt8(VHOST_ACCESS_RO))
    #expect(try BackendMessage(BackendMessage.iotlb(sent).encoded()) == .iotlb(sent))
  }

  @Test func memoryRegionIsTheKernelsWithAnOffset() throws {
    let table: [MemoryTableEntry] = (0..<3).map { i in
      let base = UInt64(i) << 32
      return MemoryTableEntry(
        guestAddress: GuestPhysicalAddress(base), byteCount: 4096 + UInt64(i), userAddress: 0x7f00_0000_0000 | base,
        fileOffset: UInt64(i) << 12)
    }
    let files = (0..<3).map { _ in PassedDescriptor(borrowing: 0) }
    let message = FrontendMessage.setMemoryTable(table, files).encoded()
    #expect(view(message, UInt32.self) == 3 && message.payload.count == 8 + 3 * 32)
    unsafe message.payload.withUnsafeBytes { bytes in
      for i in 0..<3 {
        let kernel = unsafe bytes.loadUnaligned(
          fromByteOffset: MemoryLayout<vhost_memory>.size + i * MemoryLayout<vhost_memory_region>.size,
          as: vhost_memory_region.self)
        #expect(kernel.guest_phys_addr == table[i].guestAddress.rawValue)
        #expect(kernel.memory_size == table[i].byteCount && kernel.userspace_addr == table[i].userAddress)
        // What the kernel's structure has no use for is vhost-user's offset.
        #expect(kernel.flags_padding == table[i].fileOffset)
      }
    }
    guard case .setMemoryTable(let back, let descriptors) = try FrontendMessage(message) else { throw Wrong() }
    #expect(back == table && descriptors.count == 3)
  }

  @Test(arguments: [true, false]) func aVringsFileMayBeMissing(given: Bool) throws {
    let file = given ? PassedDescriptor(borrowing: 0) : nil
    let message = FrontendMessage.setVringKick(index: 5, file).encoded()
    #expect(view(message, UInt64.self) == (given ? 5 : 5 | 1 << 8))
    guard case .setVringKick(5, let back) = try FrontendMessage(message) else { throw Wrong() }
    #expect((back != nil) == given)
  }

  @Test func everyRequestComesBackAsItWasSent() throws {
    let file = PassedDescriptor(borrowing: 0)
    let inflight = InflightDescription(byteCount: 4096, fileOffset: 8, queueCount: 2, queueSize: 128)
    let requests: [FrontendMessage] = [
      .getFeatures, .setFeatures([.version1, .packedRing]), .setOwner, .resetOwner, .setMemoryTable([], []),
      .setVringSize(VringState(index: 0, value: 1)), .setVringBase(VringState(index: 0, value: 2)),
      .setVringAddress(VringAddress(index: 0, descriptors: 1, used: 2, available: 3)),
      .getVringBase(VringState(index: 0, value: 0)), .setVringKick(index: 0, file), .setVringCall(index: 1, nil),
      .setVringError(index: 2, file), .getProtocolFeatures, .setProtocolFeatures([.config, .inflight]),
      .getQueueCount, .setVringEnable(VringState(index: 0, value: 1)), .setBackendChannel(file),
      .iotlb(IOTLBMessage(.invalidate, address: IOVA(0), byteCount: 1)),
      .getConfig(ConfigAccess(offset: 0, bytes: [UInt8](repeating: 0, count: 256))),
      .setConfig(ConfigAccess(offset: 32, flags: 1, bytes: [1])), .getInflight(inflight), .setInflight(inflight, file),
      .resetDevice, .setStatus([.acknowledge, .needsReset]), .getStatus,
      .setLogBase(byteCount: 64, fileOffset: 8, file), .setLogFile(file),
    ]
    #expect(Set(requests.map(\.request)) == Set(FrontendRequest.allCases))
    for request in requests {
      let message = request.encoded()
      let back = try FrontendMessage(message)
      #expect(back.request == request.request && back.encoded().payload == message.payload)
      #expect(message.payload.count <= VhostUserMessage.mostPayloadBytes)
    }
  }

  @Test func repliesAreTakenApart() throws {
    let request = FrontendMessage.getFeatures.encoded()
    #expect(try request.reply(0x1234).number() == 0x1234)
    #expect(request.reply(0).flags.rawValue == 5)
    let access = ConfigAccess(offset: 8, bytes: [1, 2, 3])
    #expect(try request.reply(access.payload).configAccess() == access)
    #expect(try request.reply([]).configAccess() == nil)
    let inflight = InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 8)
    let reply = request.reply(inflight.payload, descriptors: [PassedDescriptor(borrowing: 0)])
    #expect(try reply.inflight().0 == inflight)
    #expect(try request.reply(VringState(index: 1, value: 9).payload).vringState().value == 9)
  }

  struct Wrong: Error {}
}
