import CRing
import RingKit
import Testing

@testable import VhostUser

/// The memory in which a back-end notes what is in flight comes from it, and is what it says or is refused.
@Suite(.timeLimit(.minutes(20))) struct InflightTests {
  private static let extensions = ScriptedBackend.extensions.union(.inflight)
  private static let wanted = InflightDescription(queueCount: 1, queueSize: 16)

  /// A back-end that offers notes, and answers the request for them as it is told.
  static func script(
    _ answer: @escaping @Sendable (VhostUserMessage) -> VhostUserMessage
  ) -> ScriptedBackend.Script {
    { request, message in
      switch request {
      case .getProtocolFeatures: [message.reply(extensions.rawValue)]
      case .getInflight: [answer(message)]
      default: []
      }
    }
  }

  private func track(
    _ answer: @escaping @Sendable (VhostUserMessage) -> VhostUserMessage, features: VirtioFeatures = []
  ) throws -> (Result<Bool, FrontendError>, ScriptedBackend) {
    let backend = try ScriptedBackend(Self.script(answer))
    backend.start()
    defer { backend.stop() }
    try backend.frontend.negotiate([], required: features, optional: .inflight, queues: 1)
    do throws(FrontendError) {
      return (.success(try backend.frontend.trackInflight(queues: 1, size: 16)), backend)
    } catch { return (.failure(error), backend) }
  }

  private static func file(_ byteCount: Int) throws -> MemoryRegion {
    try MemoryRegion(at: GuestPhysicalAddress(0), byteCount: byteCount)
  }

  private static func borrow(_ region: MemoryRegion) -> PassedDescriptor {
    PassedDescriptor(borrowing: region.fileDescriptor ?? -1)
  }

  @Test func whatIsGivenIsKeptAndHandedBack() throws {
    let region = try Self.file(4096)
    let given = InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 16)
    let (result, backend) = try track { $0.reply(given.payload, descriptors: [Self.borrow(region)]) }
    #expect(try result.get())
    #expect(backend.frontend.inflight?.description == given)
    guard case .setInflight(let returned, _)? = backend.requests.last else {
      Issue.record("\(String(describing: backend.requests.last)) instead of SET_INFLIGHT_FD")
      return
    }
    #expect(returned == given)
  }

  @Test func withoutTheExtensionNothingIsAsked() throws {
    let backend = try ScriptedBackend()
    backend.start()
    defer { backend.stop() }
    try backend.frontend.negotiate([], required: [], optional: .inflight, queues: 1)
    #expect(!backend.frontend.protocolFeatures.contains(.inflight))
    #expect(try !backend.frontend.trackInflight(queues: 1, size: 16))
    #expect(!backend.requests.contains { $0.request == .getInflight })
  }

  @Test func noBytesAndNoFileMeanThatThereAreNoNotes() throws {
    let none = InflightDescription(queueCount: 1, queueSize: 16)
    let (result, backend) = try track { $0.reply(none.payload) }
    #expect(try !result.get() && backend.frontend.inflight == nil && backend.frontend.failure == nil)
  }

  @Test(
    arguments: [
      (
        InflightDescription(byteCount: 4096, queueCount: 2, queueSize: 16),
        InflightError.shape(
          queues: 2, of: 16, wantedQueues: 1, wantedSize: 16)
      ),
      (
        InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 8),
        .shape(
          queues: 1, of: 8, wantedQueues: 1, wantedSize: 16)
      ),
      // A header of 16 bytes and as many for each of 16 entries, in whole lines.
      (
        InflightDescription(byteCount: 319, queueCount: 1, queueSize: 16),
        .byteCount(
          319, needed: 320, limit: 2 << 20)
      ),
      (InflightDescription(byteCount: 0, queueCount: 1, queueSize: 16), .byteCount(0, needed: 320, limit: 2 << 20)),
      (
        InflightDescription(byteCount: .max, queueCount: 1, queueSize: 16),
        .byteCount(
          .max, needed: 320, limit: 2 << 20)
      ),
      (
        InflightDescription(byteCount: 4096, fileOffset: 4, queueCount: 1, queueSize: 16),
        .file(
          .inflight("it begins at 4, not a multiple of 8"))
      ),
    ]) func aDescriptionThatDoesNotFitIsRefused(given: InflightDescription, expected: InflightError) throws
  {
    let region = try Self.file(8192)
    let (result, backend) = try track { $0.reply(given.payload, descriptors: [Self.borrow(region)]) }
    #expect(throws: FrontendError.inflight(expected)) { try result.get() }
    #expect(backend.frontend.inflight == nil && backend.frontend.failure == .inflight(expected))
    #expect(!backend.requests.contains { $0.request == .setInflight })
  }

  @Test(arguments: [(4096, 8), (8192, 0), (4096, 0xffff_ffff_ffff_fff8)] as [(UInt64, UInt64)])
  func aFileThatIsShorterThanItIsSaidToBeIsRefused(byteCount: UInt64, offset: UInt64) throws {
    let region = try Self.file(4096)
    let given = InflightDescription(byteCount: byteCount, fileOffset: offset, queueCount: 1, queueSize: 16)
    let (result, _) = try track { $0.reply(given.payload, descriptors: [Self.borrow(region)]) }
    guard case .failure(.inflight(.file(.memory))) = result else {
      Issue.record("\(result)")
      return
    }
  }

  @Test func aDescriptorOfNoFileIsRefused() throws {
    let bell = try EventDoorbell()
    let given = InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 16)
    let (result, _) = try track { message in
      message.reply(given.payload, descriptors: [PassedDescriptor(borrowing: bell.fileDescriptor)])
    }
    guard case .failure(.inflight(.file(.memory))) = result else {
      Issue.record("\(result)")
      return
    }
  }

  @Test(arguments: [0, 2]) func anotherNumberOfDescriptorsIsRefused(count: Int) throws {
    let region = try Self.file(4096)
    let given = InflightDescription(byteCount: 4096, queueCount: 1, queueSize: 16)
    let (result, _) = try track { message in
      message.reply(given.payload, descriptors: (0..<count).map { _ in Self.borrow(region) })
    }
    #expect(
      throws: FrontendError.connection(.descriptorCount(request: 31, count: count, expected: 1))
    ) { try result.get() }
  }

  @Test func anotherLengthIsRefused() throws {
    let (result, _) = try track { $0.reply([UInt8](repeating: 0, count: 12)) }
    #expect(
      throws: FrontendError.connection(.payloadLength(request: 31, byteCount: 12, expected: 24))
    ) { try result.get() }
  }

  @Test func aPackedRingsNotesAreLonger() throws {
    let region = try Self.file(4096)
    let given = InflightDescription(byteCount: 320, queueCount: 1, queueSize: 16)
    let (result, _) = try track(
      { $0.reply(given.payload, descriptors: [Self.borrow(region)]) }, features: .packedRing)
    #expect(throws: FrontendError.inflight(.byteCount(320, needed: 576, limit: 2 << 20))) { try result.get() }
  }
}
