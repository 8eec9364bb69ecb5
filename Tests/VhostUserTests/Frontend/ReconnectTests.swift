import RingIOMMU
import RingKit
import Testing

@testable import VhostUser

/// A back-end that went is replaced, by one that can do what was agreed on and is handed what it has to know.
@Suite(.timeLimit(.minutes(20))) struct ReconnectTests {
  private final class Session {
    let region: MemoryRegion
    let notes: MemoryRegion
    let first: ScriptedBackend
    let second: ScriptedBackend
    var frontend: VhostUserFrontend { first.frontend }

    init(successor: @escaping ScriptedBackend.Script = { _, _ in [] }) throws {
      region = try MemoryRegion(at: GuestPhysicalAddress(1 << 30), byteCount: 64 * 4096)
      notes = try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: 4096)
      let file = PassedDescriptor(borrowing: try #require(notes.fileDescriptor))
      let given = InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 16)
      let script = InflightTests.script { $0.reply(given.payload, descriptors: [file]) }
      first = try ScriptedBackend(script)
      second = try ScriptedBackend { request, message in
        let scripted = successor(request, message)
        return scripted.isEmpty ? script(request, message) : scripted
      }
      first.start()
      second.start()
    }

    deinit {
      first.stop()
      second.stop()
    }

    /// A ring that the first one was handed.
    func start(_ features: VirtioFeatures, notes: Bool) throws {
      try frontend.negotiate([.indirectDescriptors], required: features, optional: notes ? .inflight : [], queues: 1)
      try frontend.share(try GuestMemory([region]))
      #expect(try frontend.trackInflight(queues: 1, size: 16) == notes)
      let buffer = GuestBuffer(whole: region).slice(at: 0, byteCount: 4096)
      let (kick, call) = (try EventDoorbell(), try EventDoorbell())
      let setup =
        features.contains(.packedRing)
        ? VringSetup(try PackedRing(in: buffer, size: 16), kick: kick, call: call)
        : VringSetup(try SplitRing(in: buffer, size: 16), kick: kick, call: call)
      try frontend.start(0, setup)
    }

    func lose() {
      first.hangUp()
      while !frontend.hasLostBackend { try? frontend.service() }
    }
  }

  @Test(arguments: [VirtioFeatures(), .packedRing], [true, false])
  func theSuccessorIsToldTheSame(layout: VirtioFeatures, notes: Bool) throws {
    let session = try Session()
    try session.start(layout, notes: notes)
    session.lose()
    try session.frontend.reconnect(session.second.far)
    try session.frontend.resume(0, at: notes ? 0x8005 : nil)
    #expect(session.frontend.failure == nil && session.frontend.counts.reconnections == 1)
    let (told, before) = (session.second.requests, session.first.requests)
    // But for the request for new notes.
    #expect(told.map(\.request) == before.map(\.request).filter { $0 != .getInflight })
    for (now, then) in zip(told, before.filter { $0.request != .getInflight }) {
      switch (now, then) {
      case (.setFeatures(let one), .setFeatures(let other)): #expect(one == other)
      case (.setProtocolFeatures(let one), .setProtocolFeatures(let other)): #expect(one == other)
      case (.setMemoryTable(let one, _), .setMemoryTable(let other, _)): #expect(one == other)
      case (.setInflight(let one, _), .setInflight(let other, _)): #expect(one == other && one.byteCount == 4096)
      case (.setVringSize(let one), .setVringSize(let other)): #expect(one == other)
      case (.setVringAddress(let one), .setVringAddress(let other)): #expect(one == other)
      case (.setVringBase(let one), .setVringBase(let other)):
        let base: UInt32 = layout.contains(.packedRing) ? 0x8005_8005 : 0x8005
        #expect(one.value == (notes ? base : other.value))
      default: break
      }
    }
  }

  @Test func theSameNotesAreHandedOn() throws {
    let session = try Session()
    try session.start([], notes: true)
    session.lose()
    try session.frontend.reconnect(session.second.far)
    let handed = session.second.requests.compactMap { request in
      if case .setInflight(let description, let file) = request { (description, file) } else { nil }
    }
    let (description, file) = try #require(handed.first)
    let memory = try InflightMemory(description, file: file)
    try withExtendedLifetime(memory) { try memory.queue(0, size: 16, packed: false).store64(0x1234_5678, 8) }
    unsafe #expect(SharedMemory(session.notes.hostBase, byteCount: 4096).load64(8) == 0x1234_5678)
  }

  @Test func aSuccessorThatCannotDoTheSameIsRefused() throws {
    let bit = VirtioFeatures(rawValue: ProtocolFeatures.deviceBit)
    let offered = VirtioFeatures.version1.union(bit)
    let session = try Session { request, message in
      if case .getFeatures = request { [message.reply(offered.rawValue)] } else { [] }
    }
    try session.start(.packedRing, notes: false)
    session.lose()
    let error = FrontendError.missingFeatures([.packedRing, .indirectDescriptors], offered: .version1)
    #expect(throws: error) { try session.frontend.reconnect(session.second.far) }
    #expect(!session.frontend.hasLostBackend)
  }

  @Test func aSuccessorThatTakesNoNotesIsRefused() throws {
    let session = try Session { request, message in
      if case .getProtocolFeatures = request { [message.reply(ScriptedBackend.extensions.rawValue)] } else { [] }
    }
    try session.start([], notes: true)
    session.lose()
    #expect(
      throws: FrontendError.missingProtocolFeatures(.inflight, offered: ScriptedBackend.extensions)
    ) { try session.frontend.reconnect(session.second.far) }
  }

  @Test func aSuccessorThatGoesTooIsReplacedAsWell() throws {
    let session = try Session()
    try session.start(.packedRing, notes: true)
    session.lose()
    let short = try ScriptedBackend()
    short.hangUp()
    #expect(throws: FrontendError.connection(.closed)) { try session.frontend.reconnect(short.far) }
    #expect(session.frontend.hasLostBackend)
    try session.frontend.reconnect(session.second.far)
    try session.frontend.resume(0, at: 0x8000)
    #expect(session.frontend.protocolFeatures.contains(.inflight) && session.frontend.failure == nil)
  }

  @Test func aBackendThatLiedIsNotReplaced() throws {
    let backend = try ScriptedBackend { request, message in
      if case .setOwner = request { [message.reply(22)] } else { [] }
    }
    backend.start()
    defer { backend.stop() }
    #expect(throws: FrontendError.refused(.setOwner, code: 22)) {
      try backend.frontend.negotiate([], required: [], queues: 1)
    }
    #expect(!backend.frontend.hasLostBackend)
  }

  @Test(arguments: [true, false]) func whoIsGoneHasForgotten(awaitsSuccessor: Bool) throws {
    let session = try Session()
    let memory = try GuestMemory([session.region])
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    let domain = IOMMUDomain(memory: memory, configuration: configuration)
    session.frontend.awaitsSuccessor = awaitsSuccessor
    try session.frontend.negotiate([], required: .accessPlatform, queues: 1)
    try session.frontend.share(memory)
    session.frontend.attach(domain)
    var mapper = AnnouncingMapper(
      IOMMUMapper(domain: domain, policy: .strict, counter: UncountedWork()), to: session.frontend)
    let segment = MemorySegment(session.region.guestBase, length: 4096)
    let (_, mapping) = try mapper.map(segment, .deviceReadable)
    session.first.hangUp()
    guard awaitsSuccessor else {
      #expect(throws: DMAError.deviceUnreachable) { try mapper.unmap(mapping, .deviceReadable) }
      return
    }
    try mapper.unmap(mapping, .deviceReadable)
    // Nor need it be told of what is mapped: its successor asks.
    let (_, next) = try mapper.map(segment, .deviceReadable)
    #expect(session.frontend.hasLostBackend)
    try session.frontend.reconnect(session.second.far)
    try mapper.unmap(next, .deviceReadable)
    #expect(session.second.requests.last?.request == .iotlb)
  }
}
