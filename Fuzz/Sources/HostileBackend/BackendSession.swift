import FuzzSupport
import Glibc
import RingIOMMU
import RingKit
import VhostUser

/// One input: a front-end that does what its user wants, against answers that are more or less as they should be.
///
/// Where no answer comes the call ends when its time is up.
final class BackendSession {
  private var peer: BackendPeer
  /// Those that are gone.
  private var predecessors: [BackendPeer] = []
  private let memory: GuestMemory
  private let domain: IOMMUDomain
  private var frontend: VhostUserFrontend?
  private let bits: UInt8
  private var windows: [PremappedBuffer] = []
  private var mapped: [(mapping: IOMMUMapping, direction: DMADirection)] = []
  /// What may be given away: pages, where they are here, and how.
  private var given: [(first: UInt64, last: UInt64, host: UInt64, permissions: UInt8)] = []
  private var agreed: (features: VirtioFeatures, protocolFeatures: ProtocolFeatures)?
  private var started: Set<Int> = []
  private var notes: BackendPeer.Notes?
  private let kick = must { try EventDoorbell() }

  /// Milliseconds of the front-end's clock, which goes on by one in each turn of a wait.
  private var milliseconds: UInt64 = 0
  private static let patience = 20
  private var looked: (milliseconds: UInt64, requests: UInt64) = (0, 0)

  private var isTranslating: Bool { bits & 1 != 0 }
  private var isPacked: Bool { agreed?.features.contains(.packedRing) ?? false }
  init(_ memory: GuestMemory, _ input: inout FuzzInput) {
    bits = input.byte()
    self.memory = memory
    var configuration = IOMMUConfiguration()
    configuration.servedBy = .waiter
    domain = IOMMUDomain(memory: memory, configuration: configuration)
    let pair = Self.sockets()
    // The first part is the back-end's answers, one byte or more for each; the rest what the front-end's user does.
    let isTranslating = bits & 1 != 0
    let answers = input.take(input.below(64))
    peer = BackendPeer(pair[0], extensions: bits & 8 == 0 ? 0x1229 : isTranslating ? 0x229 : 0x201, answers)
    frontend = VhostUserFrontend(must { try VhostUserConnection(attaching: pair[1]) }, timeout: Self.patience)
    frontend?.clock.source = { [unowned self] in milliseconds * 1_000_000 }
    frontend?.clock.sleep = { [unowned self] set, _ throws(VhostUserError) in
      milliseconds += 1
      _ = try set.wait(milliseconds: 1)
    }
    frontend?.grantsReadWithWrite = bits & 2 != 0
    frontend?.awaitsSuccessor = bits & 16 != 0
  }

  private static func sockets() -> [CInt] {
    var pair: [CInt] = [-1, -1]
    check(
      socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &pair) == 0, "no sockets")
    return pair
  }

  func run(_ input: inout FuzzInput) {
    var mapper = IOMMUMapper(domain: domain, policy: bits & 4 == 0 ? .strict : .lazy, counter: UncountedWork())
    attempt { () throws(FrontendError) in
      try begin()
      try work(&mapper, &input)
    }
    // A successor that goes as well has one of its own.
    while let frontend, frontend.hasLostBackend, agreed != nil, predecessors.count < 2, !input.isEmpty {
      attempt { () throws(FrontendError) in
        try goOn(frontend, &input)
        try work(&mapper, &input)
      }
    }
    // An unmap does not wait for a back-end that is gone.
    frontend = nil
    for peer in predecessors + [peer] { peer.close() }
    for part in mapped { try? mapper.unmap(part.mapping, part.direction) }
    try? mapper.flush()
    for window in windows { try? window.release() }
  }

  private func attempt(_ body: () throws(FrontendError) -> Void) {
    do throws(FrontendError) { try body() } catch {
      checkTime()
      check(!error.description.isEmpty, "an error without a word")
      // The first reason stays, and nothing is sent any more.
      guard let frontend else { return }
      check(frontend.failure == error, "the session goes on after \(error)")
      let sent = frontend.counts.messages
      do throws(FrontendError) {
        try frontend.service()
        check(false, "served after \(error)")
      } catch let again { check(again == error, "\(again) after \(error)") }
      check(frontend.counts.messages == sent, "a message after the end")
    }
  }

  private func begin() throws(FrontendError) {
    guard let frontend else { return }
    try frontend.negotiate(
      bits & 32 == 0 ? [.indirectDescriptors, .eventIndex] : [.indirectDescriptors, .eventIndex, .packedRing],
      required: isTranslating ? .accessPlatform : [], protocolFeatures: .config,
      optional: .inflight, queues: 2)
    check(frontend.features.contains(.version1), "agreed on \(frontend.features)")
    agreed = (frontend.features, frontend.protocolFeatures)
    if isTranslating { frontend.attach(domain) }
  }

  /// Another back-end replaces the one that is gone: what was agreed on stays, and it is handed the same
  /// notes.
  private func goOn(_ frontend: VhostUserFrontend, _ input: inout FuzzInput) throws(FrontendError) {
    look()
    let (pair, choice) = (Self.sockets(), input.byte())
    // One that went early was handed none.
    notes = peer.notes ?? notes
    predecessors.append(peer)
    let answers = input.take(input.below(64))
    peer = BackendPeer(
      pair[0], extensions: choice & 8 == 0 ? 0x1229 : 0x229, after: frontend.counts.messages, notes: notes,
      isPacked: isPacked, answers)
    try frontend.reconnect(must { try VhostUserConnection(attaching: pair[1]) })
    look()
    // The front-end takes these from any peer.
    let free: ProtocolFeatures = [.queueCount, .replyAck]
    check(
      frontend.features == agreed?.features
        && frontend.protocolFeatures.union(free) == agreed?.protocolFeatures.union(free)
        && frontend.protocolFeatures.isSuperset(of: agreed?.protocolFeatures ?? []),
      "a successor with \(frontend.features) and \(frontend.protocolFeatures)")
    check(peer.notes == notes, "\(notes as Any) were handed, and to a successor \(peer.notes as Any)")
    for index in started.sorted() { try frontend.resume(index, at: notes != nil || choice & 1 == 0 ? 0 : nil) }
  }

  private func work(
    _ mapper: inout IOMMUMapper<UncountedWork>, _ input: inout FuzzInput
  ) throws(FrontendError) {
    guard let frontend else { return }
    checkTime()
    var steps = 0
    while !input.isEmpty && steps < 32 {
      steps += 1
      let choice = input.byte()
      switch choice & 15 {
      case 0: try frontend.share(memory)
      case 1:
        _ = try frontend.config(offset: Int(choice >> 4), byteCount: 1 + input.below(64))
      case 2: try start(frontend, Int(choice >> 4))
      case 3:
        let position = try frontend.stop(Int(choice >> 4))
        // Behind a ring that never began is any that there can be.
        let last: UInt32 = started.contains(Int(choice >> 4)) ? 15 : 0x7fff
        check(
          isPacked ? position & 0x7fff <= last && position >> 16 & 0x7fff <= last : position <= 0xffff,
          "stopped at \(position)")
        started.remove(Int(choice >> 4))
      case 4, 5: map(&mapper, choice >> 4, &input)
      case 6, 7: unmap(&mapper, Int(choice >> 4))
      case 8, 9, 10, 11:
        peer.ask(address(choice >> 4, &input), &input)
        try frontend.service()
      case 12, 13: if choice >> 4 == 0 { peer.finish() } else if choice >> 4 == 1 { peer.closeChannel() }
      case 14: _ = try frontend.trackInflight(queues: 1 + Int(choice >> 6), size: 1 + 15 * Int(choice >> 4 & 3))
      default: try frontend.service()
      }
      look()
      checkTime()
    }
  }

  /// Of the front-end's clock has passed since the last look what its requests may wait, whatever was received
  /// meanwhile.
  private func checkTime() {
    guard let frontend else { return }
    // Answers to misses are sent and not waited for.
    let requests = frontend.counts.messages - frontend.counts.updates
    let (passed, sent) = (milliseconds - looked.milliseconds, requests - looked.requests)
    looked = (milliseconds, requests)
    check(passed <= sent * UInt64(Self.patience), "\(passed) ms for \(sent) requests")
  }

  private func start(_ frontend: VhostUserFrontend, _ index: Int) throws(FrontendError) {
    let all = GuestBuffer(whole: memory.regions[0])
    var window: PremappedBuffer?
    if isTranslating {
      let made = must { try PremappedBuffer(all.slice(at: 0, byteCount: 4096), domain: domain) }
      windows.append(made)
      give(made.address.rawValue, 4096, UInt64(all.host.rawValue), 3)
      window = made
    }
    started.insert(index)
    if isPacked {
      let ring = must { try PackedRing(in: all.slice(at: 0, byteCount: PackedRing.byteCount(size: 16)), size: 16) }
      try frontend.start(index, VringSetup(ring, window: window, kick: kick, call: kick))
    } else {
      let ring = must { try SplitRing(in: all.slice(at: 0, byteCount: SplitRing.byteCount(size: 16)), size: 16) }
      try frontend.start(index, VringSetup(ring, window: window, kick: kick, call: kick))
    }
  }

  // MARK: translations

  private func map(_ mapper: inout IOMMUMapper<UncountedWork>, _ choice: UInt8, _ input: inout FuzzInput) {
    let region = memory.regions[1]
    let position = input.byte()
    let offset = UInt64(position & 7) * 4096 + UInt64(position >> 3) * 64
    let segment = MemorySegment(
      GuestPhysicalAddress(region.guestBase.rawValue + offset), length: UInt32(position) * 16 + 1)
    guard offset + UInt64(segment.length) <= UInt64(region.byteCount) else { return }
    let direction: DMADirection = choice & 1 == 0 ? .deviceReadable : .deviceWritable
    do throws(DMAError) {
      let (address, mapping) = try mapper.map(segment, direction)
      mapped.append((mapping, direction))
      let pages = (address.rawValue & 4095 + UInt64(segment.length) + 4095) & ~4095
      let host = UInt64(region.hostBase.rawValue) + offset & ~4095
      give(address.rawValue & ~4095, pages, host, direction == .deviceWritable ? 2 : 1)
    } catch { check(error != .deviceUnreachable, "a map asks nobody, and \(error)") }
  }

  private func unmap(_ mapper: inout IOMMUMapper<UncountedWork>, _ choice: Int) {
    if mapped.isEmpty { return }
    let part = mapped.remove(at: choice % mapped.count)
    do throws(DMAError) {
      try mapper.unmap(part.mapping, part.direction)
    } catch { check(error == .deviceUnreachable && frontend?.failure != nil, "an unmap ended with \(error)") }
    look()
    // From here on no message may say where that was.
    let first = part.mapping.address.rawValue & ~4095
    given.removeAll { $0.first == first }
  }

  private func give(_ first: UInt64, _ byteCount: UInt64, _ host: UInt64, _ permissions: UInt8) {
    given.append((first, first + (byteCount - 1), host, permissions))
  }

  private func address(_ choice: UInt8, _ input: inout FuzzInput) -> UInt64 {
    guard choice & 8 == 0, !given.isEmpty else {
      return choice & 4 == 0 ? input.word64() : UInt64(input.word16()) << 32
    }
    return given[Int(choice & 7) % given.count].first &+ UInt64(input.byte()) * 32 &- 1024
  }

  /// Each translation that went out is of what is mapped, to where it is, and for what it is mapped for.
  private func look() {
    for update in peer.updates(after: frontend?.counts.messages ?? 0) {
      let last = update.address &+ (update.byteCount &- 1)
      guard let part = given.first(where: { $0.first <= update.address && last <= $0.last }), update.byteCount > 0
      else {
        fatalError("finding: \(update) is not mapped")
      }
      check(update.user == part.host + (update.address - part.first), "\(update) leads elsewhere")
      let permitted: UInt8 = bits & 2 != 0 && part.permissions == 2 ? 3 : part.permissions
      check(update.permissions & ~permitted == 0 && update.permissions != 0, "\(update) permits more than \(permitted)")
    }
  }
}
