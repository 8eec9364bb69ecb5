import RingKit
import Testing
import VhostUser

/// Each way a message can be wrong has an error of its own, before anything of it is used.
@Suite struct MalformedMessageTests {
  private func refusal(_ message: VhostUserMessage) -> VhostUserError? {
    do throws(VhostUserError) { _ = try FrontendMessage(message) } catch { return error }
    return nil
  }

  private let file = PassedDescriptor(borrowing: 0)

  @Test func aLengthThatIsNotTheRequests() {
    for request in FrontendRequest.allCases {
      var message = VhostUserMessage(request: request.rawValue, payload: [UInt8](repeating: 0, count: 5))
      #expect(
        refusal(message).map { if case .payloadLength = $0 { true } else { false } } == true, "request \(request)")
      message.payload = [UInt8](repeating: 0, count: 261)
      #expect(refusal(message) != nil, "request \(request)")
    }
  }

  @Test func descriptorsThatDoNotBelongToTheRequest() {
    var message = FrontendMessage.setOwner.encoded()
    message.descriptors = [file]
    #expect(refusal(message) == .descriptorCount(request: 3, count: 1, expected: 0))
    message = FrontendMessage.setVringCall(index: 0, nil).encoded()
    message.descriptors = [file]
    #expect(refusal(message) == .descriptorCount(request: 13, count: 1, expected: 0))
    message = FrontendMessage.setVringCall(index: 0, file).encoded()
    message.descriptors = []
    #expect(refusal(message) == .descriptorCount(request: 13, count: 0, expected: 1))
    message = FrontendMessage.setBackendChannel(file).encoded()
    message.descriptors = []
    #expect(refusal(message) == .descriptorCount(request: 21, count: 0, expected: 1))
    message = FrontendMessage.setLogBase(byteCount: 1, fileOffset: 0, file).encoded()
    message.descriptors = []
    #expect(refusal(message) == .descriptorCount(request: 6, count: 0, expected: 1))
    let entry = MemoryTableEntry(guestAddress: GuestPhysicalAddress(0), byteCount: 1, userAddress: 0)
    message = FrontendMessage.setMemoryTable([entry, entry], [file]).encoded()
    #expect(refusal(message) == .descriptorCount(request: 5, count: 1, expected: 2))
  }

  @Test func aTableOfMoreRegionsThanDescriptorsCanCome() {
    var message = FrontendMessage.setMemoryTable([], []).encoded()
    message.payload[0] = 9
    #expect(refusal(message) == .tooManyRegions(9, limit: 8))
    message.payload[3] = 0xff
    #expect(refusal(message) == .tooManyRegions(0xff00_0009, limit: 8))
    message.payload = [1, 0, 0, 0, 0, 0, 0, 0]
    #expect(refusal(message) == .payloadLength(request: 5, byteCount: 8, expected: 40))
  }

  @Test func valuesThatNoRequestHas() {
    #expect(refusal(VhostUserMessage(request: 19)) == .unknownRequest(19))
    #expect(refusal(FrontendMessage.getFeatures.encoded().reply([])) == .unexpectedReply(request: 1))
    var message = FrontendMessage.setVringKick(index: 0, nil).encoded()
    message.payload[1] = 3
    #expect(refusal(message) == .vringFile(0x300))
    message = FrontendMessage.iotlb(IOTLBMessage(.update, address: IOVA(0))).encoded()
    message.payload[25] = 5
    #expect(refusal(message) == .iotlbMessage(type: 5, permissions: 0))
    message.payload[25] = 2
    message.payload[24] = 4
    #expect(refusal(message) == .iotlbMessage(type: 2, permissions: 4))
    // QEMU leaves them as they were in an invalidation.
    message.payload[25] = 3
    message.payload[24] = 178
    #expect(refusal(message) == nil)
  }

  @Test func aConfigurationSpaceThatEndsBeyondItself() {
    var message = FrontendMessage.getConfig(ConfigAccess(offset: 250, bytes: [UInt8](repeating: 0, count: 7))).encoded()
    #expect(refusal(message) == .configRange(offset: 250, byteCount: 7))
    message = FrontendMessage.getConfig(ConfigAccess(offset: 0xffff_fff0, bytes: [0])).encoded()
    #expect(refusal(message) == .configRange(offset: 0xffff_fff0, byteCount: 1))
    message = FrontendMessage.getConfig(ConfigAccess(offset: 0, bytes: [0, 0])).encoded()
    message.payload[4] = 3
    #expect(refusal(message) == .payloadLength(request: 24, byteCount: 14, expected: 15))
    message.payload[7] = 0xff
    #expect(refusal(message) == .configRange(offset: 0, byteCount: 0xff00_0003))
  }
}
