import RingKit
import RingPlatform
import Testing

@testable import VhostUser

@Suite(.timeLimit(.minutes(20))) struct FrontendTests {
  private func check(
    _ script: @escaping ScriptedBackend.Script, timeout: Int = 60_000, throws expected: FrontendError,
    _ body: (VhostUserFrontend) throws(FrontendError) -> Void
  ) throws {
    let backend = try ScriptedBackend(timeout: timeout, script)
    backend.start()
    defer { backend.stop() }
    #expect(throws: expected) { try body(backend.frontend) }
    // The first reason stays, and nothing is sent any more.
    #expect(backend.frontend.failure == expected)
    #expect(throws: expected) { try backend.frontend.service() }
  }

  private static func negotiate(_ frontend: VhostUserFrontend) throws(FrontendError) {
    try frontend.negotiate([.indirectDescriptors, .eventIndex], required: [.packedRing], queues: 2)
  }

  @Test func asksInTheProtocolsOrderForExactlyWhatIsWantedAndOffered() throws {
    let backend = try ScriptedBackend()
    backend.start()
    try Self.negotiate(backend.frontend)
    backend.stop()
    #expect(backend.frontend.features == [.version1, .packedRing, .indirectDescriptors])
    #expect(backend.frontend.protocolFeatures == [.queueCount, .replyAck])
    #expect(
      backend.requests.map(\.request) == [
        .getFeatures, .getProtocolFeatures, .setProtocolFeatures, .setOwner, .getQueueCount, .setFeatures,
      ])
    guard case .setFeatures(let set)? = backend.requests.last else { return }
    // With bit 30, or the back-end does not know of vrings that are enabled one by one.
    #expect(set == backend.frontend.features.union(VirtioFeatures(rawValue: 1 << 30)))
  }

  @Test func aFeatureThatIsNeededAndNotOfferedEndsTheSession() throws {
    let offered = VirtioFeatures([.version1, .packedRing])
    try check(
      { request, message in
        if case .getFeatures = request { return [message.reply(offered.rawValue)] }
        return []
      }, throws: .missingFeatures(.inOrder, offered: offered),
      { frontend throws(FrontendError) in try frontend.negotiate([], required: .inOrder, queues: 1) })
  }

  @Test func aFeatureWithoutTheOneItNeedsIsLeftOutOrEndsTheSession() throws {
    // virtio 1.4, "Network Device: Feature bit requirements": MQ needs CTRL_VQ.
    let (mq, mac) = (VirtioFeatures(rawValue: 1 << 22), VirtioFeatures(rawValue: 1 << 5))
    let offered: VirtioFeatures = [.version1, mq, mac]
    let script: ScriptedBackend.Script = { request, message in
      if case .getFeatures = request { return [message.reply(offered.rawValue)] }
      return []
    }
    let backend = try ScriptedBackend(timeout: 60_000, script)
    backend.start()
    try backend.frontend.negotiate([mq, mac], required: [], of: .network, queues: 1)
    backend.stop()
    #expect(backend.frontend.features == [.version1, mac])
    try check(
      script, throws: .negotiation(.unmetDependency(mq, needs: [VirtioFeatures(rawValue: 1 << 17)])),
      { frontend throws(FrontendError) in try frontend.negotiate([], required: mq, of: .network, queues: 1) })
  }

  @Test func accessPlatformNeedsAnswersAndAChannel() throws {
    try check(
      { request, message in
        if case .getProtocolFeatures = request { return [message.reply(ProtocolFeatures.queueCount.rawValue)] }
        return []
      }, throws: .missingProtocolFeatures([.replyAck, .backendRequests], offered: .queueCount),
      { frontend throws(FrontendError) in try frontend.negotiate([], required: .accessPlatform, queues: 1) })
  }

  @Test func aReplyToAnotherRequestEndsTheSession() throws {
    try check(
      { request, message in
        guard case .setOwner = request else { return [] }
        return [VhostUserMessage(request: 2, flags: [.version1, .reply], payload: message.reply(0).payload)]
      }, throws: .wrongReply(expected: .setOwner, request: 2, flags: 5), Self.negotiate)
  }

  @Test func aRequestWhereAReplyIsDueEndsTheSession() throws {
    try check(
      { request, message in
        guard case .setOwner = request else { return [] }
        return [VhostUserMessage(request: 3, payload: message.reply(0).payload)]
      }, throws: .wrongReply(expected: .setOwner, request: 3, flags: 1), Self.negotiate)
  }

  @Test func aReplyThatNobodyAskedForEndsTheSession() throws {
    try check(
      { request, message in
        guard case .setFeatures = request else { return [] }
        return [message.reply(0), message.reply(0)]
      }, throws: .connection(.unexpectedReply(request: 2)),
      { frontend throws(FrontendError) in
        try Self.negotiate(frontend)
        while true { try frontend.service() }
      })
  }

  @Test func aReplyOfAnotherLengthEndsTheSession() throws {
    try check(
      { request, message in
        if case .getFeatures = request { return [message.reply([1, 2, 3, 4])] }
        return []
      }, throws: .connection(.payloadLength(request: 1, byteCount: 4, expected: 8)), Self.negotiate)
  }

  @Test func whatIsRefusedEndsTheSession() throws {
    try check(
      { request, message in
        if case .setOwner = request { return [message.reply(22)] }
        return []
      }, throws: .refused(.setOwner, code: 22), Self.negotiate)
  }

  @Test func silenceEndsTheSessionWhenTheTimeIsUp() throws {
    try check(
      { request, _ in
        if case .getQueueCount = request { return [ScriptedBackend.silence] }
        return []
      }, timeout: 50, throws: .unanswered(.getQueueCount, milliseconds: 50), Self.negotiate)
  }

  @Test func tooFewQueuesEndTheSession() throws {
    try check(
      { request, message in
        if case .getQueueCount = request { return [message.reply(1)] }
        return []
      }, throws: .tooFewQueues(wanted: 2, offered: 1), Self.negotiate)
  }

  @Test(arguments: [(4, 8), (0, 9), (0, 0)]) func theWrongPartOfTheConfigurationEndsTheSession(
    offset: UInt32, byteCount: Int
  ) throws {
    try check(
      { request, message in
        guard case .getConfig = request else { return [] }
        if byteCount == 0 { return [message.reply([UInt8]())] }
        return [message.reply(ConfigAccess(offset: offset, bytes: [UInt8](repeating: 0, count: byteCount)).payload)]
      }, throws: .config(offset: 0, byteCount: 8, received: byteCount == 0 ? nil : byteCount),
      { frontend throws(FrontendError) in
        try frontend.negotiate([], required: [], protocolFeatures: .config, queues: 1)
        _ = try frontend.config(offset: 0, byteCount: 8)
      })
  }

  @Test(arguments: [(0, 0x10000), (1, 7)] as [(UInt32, UInt32)]) func aPositionThatIsNoneEndsTheSession(
    index: UInt32, position: UInt32
  ) throws {
    try check(
      { request, message in
        guard case .getVringBase = request else { return [] }
        return [message.reply(VringState(index: index, value: position).payload)]
      }, throws: .vringBase(index: 0, position),
      { frontend throws(FrontendError) in
        try frontend.negotiate([], required: [], queues: 1)
        _ = try frontend.stop(0)
      })
  }

  /// Both halves of a packed ring's position are entries of the ring.
  @Test(arguments: [0x8000_8010, 0x8010_8000, 0x7fff_0000] as [UInt32]) func aPackedPositionBehindTheRingEndsTheSession(
    position: UInt32
  ) throws {
    let region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 4096)
    let memory = try GuestMemory([region])
    let ring = try PackedRing(in: GuestBuffer(whole: region), size: 16)
    let doorbell = try EventDoorbell()
    try check(
      { request, message in
        guard case .getVringBase = request else { return [] }
        return [message.reply(VringState(index: 0, value: position).payload)]
      }, throws: .vringBase(index: 0, position),
      { frontend throws(FrontendError) in
        try frontend.negotiate(.packedRing, required: .packedRing, queues: 1)
        try frontend.share(memory)
        try frontend.start(0, VringSetup(ring, kick: doorbell, call: doorbell))
        _ = try frontend.stop(0)
      })
  }

  @Test func aRegionIsSharedFromWhereItLiesInItsFile() throws {
    let file = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 16 * 4096)
    let copy = try PassedDescriptor(borrowing: #require(file.fileDescriptor)).duplicate()
    let region = try MemoryRegion(
      mapping: copy, fileOffset: 8 * 4096 + 64, byteCount: 4 * 4096, at: GuestPhysicalAddress(1 << 30))
    let backend = try ScriptedBackend()
    backend.start()
    defer { backend.stop() }
    try backend.frontend.negotiate([], required: [], queues: 1)
    try backend.frontend.share(try GuestMemory([region]))
    guard case .setMemoryTable(let table, _)? = backend.requests.last else {
      Issue.record("\(String(describing: backend.requests.last)) instead of SET_MEM_TABLE")
      return
    }
    #expect(table.map(\.fileOffset) == [8 * 4096 + 64])
    #expect(table.map(\.userAddress) == [UInt64(region.hostBase.rawValue)])
  }

  /// A time-out beyond what the clock counts is none: neither factor nor sum wraps.
  @Test func theLongestTimeoutIsWaitedFor() throws {
    let backend = try ScriptedBackend(timeout: .max)
    backend.start()
    defer { backend.stop() }
    try Self.negotiate(backend.frontend)
  }
}
