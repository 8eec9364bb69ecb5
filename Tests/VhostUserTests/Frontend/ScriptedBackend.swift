import RingKit
import RingKitTesting
import Synchronization

@testable import VhostUser

/// A back-end on a thread of its own that says what a test wants said, and notes what it was asked.
final class ScriptedBackend: @unchecked Sendable {
  /// What is sent for one request; empty: silence.
  typealias Script = (FrontendMessage, VhostUserMessage) -> [VhostUserMessage]

  static let offered = VirtioFeatures([
    .version1, .accessPlatform, .packedRing, .indirectDescriptors, VirtioFeatures(rawValue: ProtocolFeatures.deviceBit),
  ])
  static let extensions: ProtocolFeatures = [.queueCount, .replyAck, .backendRequests, .config]

  let frontend: VhostUserFrontend
  /// The front-end's end of the connection, for another front-end that is to go on here.
  let far: VhostUserConnection
  private var near: VhostUserConnection?
  private let script: Script
  private let asked = Mutex<[FrontendMessage]>([])
  private let isOver = Atomic<Bool>(false)
  private var thread: TestThread?
  /// The back-end's own requests go here once it has the channel.
  private let channel = Mutex<PassedDescriptor?>(nil)

  /// A front-end that speaks with a back-end which answers as a good one does, but where `script` says otherwise.
  init(timeout: Int = 60_000, _ script: @escaping Script = { _, _ in [] }) throws {
    let (near, far) = try VhostUserConnection.pair()
    (self.near, self.far) = (near, far)
    self.script = script
    frontend = VhostUserFrontend(far, timeout: timeout)
  }

  var requests: [FrontendMessage] { asked.withLock { $0 } }

  /// Answers until ``stop()``, or until the connection is closed; is kept until then.
  func start() {
    thread = TestThread { [self] in
      guard let near else { return }
      while !isOver.load(ordering: .acquiring) {
        guard (try? near.wait(milliseconds: 5)) != nil else { return }
        while let message = try? near.receive() {
          guard let request = try? FrontendMessage(message) else { return }
          asked.withLock { $0.append(request) }
          if case .setBackendChannel(let file) = request { channel.withLock { $0 = file } }
          let scripted = script(request, message)
          for reply in scripted.isEmpty ? Self.answer(request, message) : scripted where reply.request != 0 {
            try? near.send(reply)
          }
        }
      }
    }
  }

  func stop() {
    isOver.store(true, ordering: .releasing)
    thread?.join()
    thread = nil
  }

  /// Goes without a word, as one that was killed.
  func hangUp() {
    stop()
    near = nil
    channel.withLock { $0 = nil }
  }

  /// The back-end's end of its own channel.
  func openChannel() throws -> VhostUserConnection? {
    guard let file = channel.withLock({ $0 }) else { return nil }
    return try VhostUserConnection(attaching: try file.duplicate())
  }

  /// What stands for saying nothing.
  static let silence = VhostUserMessage(request: 0)

  /// What a back-end says that does everything it is asked.
  static func answer(_ request: FrontendMessage, _ message: VhostUserMessage) -> [VhostUserMessage] {
    switch request {
    case .getFeatures: [message.reply(offered.rawValue)]
    case .getProtocolFeatures: [message.reply(extensions.rawValue)]
    case .getQueueCount: [message.reply(2)]
    case .getConfig(let access):
      [message.reply(ConfigAccess(offset: access.offset, bytes: access.bytes.indices.map { UInt8($0) }).payload)]
    case .getVringBase(let state): [message.reply(VringState(index: state.index, value: 7).payload)]
    default: message.flags.contains(.needReply) ? [message.reply(0)] : []
    }
  }
}
