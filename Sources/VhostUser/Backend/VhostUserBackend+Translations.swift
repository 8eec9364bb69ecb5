internal import RingIOMMU
internal import RingKit

extension VhostUserBackend {
  /// Misses without an answer at most.
  private var mostAsked: Int { 1024 }

  /// Times in a row that the same translation is asked for before the access counts as refused.
  private var mostTries: Int { 64 }

  /// What the thread that serves a queue looks translations up in.
  func table(of vring: Vring) -> DeviceIOTLB { translations[vring.thread ?? 0] }

  /// Nothing that is known is true any more.
  func forgetTranslations() { for table in translations { table.forgetAll() } }

  /// Forgets questions that nothing waits for any more, where none may be answered: the next one asks again.
  func forgetQuestions() {
    if protocolFeatures.contains(.replyAck) { return }
    asked.removeAll { miss in !vrings.contains { $0.waiting == miss } }
  }

  /// A translation is given or taken back.
  func translate(_ message: IOTLBMessage) throws(VhostUserError) {
    guard isTranslating else {
      throw .featuresNotOffered(.accessPlatform)
    }
    switch message.kind {
    case .update: try update(message)
    case .invalidate: try invalidate(message)
    case .miss, .accessFailed:
      throw .iotlbMessage(type: message.kind.rawValue, permissions: message.permissions.rawValue)
    }
  }

  private func update(_ message: IOTLBMessage) throws(VhostUserError) {
    counted.updates += 1
    guard message.byteCount > 0, let byteCount = Int(exactly: message.byteCount),
      message.address.advanced(by: message.byteCount - 1) != nil,
      let buffer = memory?.buffer(user: message.userAddress, byteCount: byteCount)
    else {
      throw .translation(message.address, byteCount: message.byteCount, userAddress: message.userAddress)
    }
    var isReplaced = false
    for table in translations {
      isReplaced = table.insert(
        message.address, byteCount: message.byteCount, host: buffer.host,
        canRead: message.permissions.contains(.read), canWrite: message.permissions.contains(.write))
    }
    let range = message.address.rawValue...(message.address.rawValue + (message.byteCount - 1))
    if !protocolFeatures.contains(.replyAck) {
      asked.removeAll { range.overlaps($0.page...($0.page + 4095)) }
    }
    for vring in vrings {
      guard let miss = vring.waiting, range.overlaps(miss.page...(miss.page + 4095)) else { continue }
      try retry(vring)
    }
    if isReplaced { try forget(range) }
  }

  private func invalidate(_ message: IOTLBMessage) throws(VhostUserError) {
    counted.invalidations += 1
    for table in translations { table.forget(message.address, byteCount: message.byteCount) }
    guard message.byteCount > 0 else { return }
    let (sum, overflow) = message.address.rawValue.addingReportingOverflow(message.byteCount - 1)
    try forget(message.address.rawValue...(overflow ? .max : sum))
  }

  /// Lets go of memory that translations led to which are no longer true.
  private func forget(_ range: ClosedRange<UInt64>) throws(VhostUserError) {
    // A ring whose own pages went is found again, or waits until it is. Buffers that a device holds are fetched again:
    // once this is answered nothing may be written where their translations led.
    for vring in vrings
    where vring.running?.queue.holdsBuffers == true || vring.parts.contains(where: { Self.touches(range, $0) }) {
      suspend(vring)
      try start(vring)
    }
  }

  private static func touches(_ range: ClosedRange<UInt64>, _ part: (address: UInt64, byteCount: Int)) -> Bool {
    part.address <= range.upperBound && part.address &+ UInt64(part.byteCount) &- 1 >= range.lowerBound
  }

  /// Lets a vring go on that a translation was missing for.
  private func retry(_ vring: Vring) throws(VhostUserError) {
    vring.waiting = nil
    if vring.isRunning { vring.needsService = true } else { try start(vring) }
  }

  /// Asks the front-end for a translation, once, and lets the vring wait for it.
  func ask(for address: IOVA, _ access: DMADirection, _ vring: Vring) throws(VhostUserError) {
    let miss = TranslationMiss(address, access)
    let tries = vring.stuck?.miss == miss ? vring.stuck.map { $0.tries + 1 } ?? 1 : 1
    guard let channel, tries <= mostTries else { return refuse(vring, miss) }
    let asks = vring.stuck.map { $0.asks + 1 } ?? 1
    // All that a chain needs has to be known at a time. The table was emptied twice for this one: it will be again.
    let limit = table(of: vring).limit
    guard asks <= 2 * limit else {
      (vring.waiting, vring.stuck) = (nil, nil)
      return fail(vring, .queue(.fault(.tooManyTranslations(address, limit: limit))))
    }
    vring.stuck = (miss, tries, asks)
    vring.waiting = miss
    if asked.contains(miss) { return }
    // One a vring is what waits; a front-end that restarts rings without answering makes more of them.
    guard asked.count < mostAsked else { throw .missesUnanswered(asked.count) }
    counted.misses += 1
    asked.append(miss)
    do throws(VhostUserError) {
      try channel.send(BackendMessage.iotlb(miss.message).encoded(needsReply: protocolFeatures.contains(.replyAck)))
    } catch { closeChannel() }
  }

  /// Asks on a new channel for what the last one did not answer.
  func askAgain() throws(VhostUserError) {
    asked = []
    for vring in vrings {
      guard let miss = vring.waiting else { continue }
      try ask(for: IOVA(miss.page), miss.access, vring)
    }
  }

  /// The front-end has no translation for what a driver put into a descriptor.
  private func refuse(_ vring: Vring, _ miss: TranslationMiss) {
    vring.waiting = nil
    vring.stuck = nil
    fail(vring, .queue(.fault(.notMapped(IOVA(miss.page)))))
  }

  /// Takes the answers to what was asked.
  func listenToChannel() throws(VhostUserError) {
    let before = counted.messages
    for _ in 0..<Self.messageBudget {
      // What is listened to for an answer is of the same share.
      guard let channel, counted.messages &- before < UInt64(Self.messageBudget) else { return }
      let message: VhostUserMessage
      do throws(VhostUserError) {
        try channel.flush()
        guard let next = try channel.receive() else { return }
        message = next
      } catch {
        // The front-end may close it before the connection; what waits for it waits for the connection's end.
        guard error == .closed else { throw error }
        return closeChannel()
      }
      guard message.flags.contains(.reply), message.request == BackendRequest.iotlb.rawValue, !asked.isEmpty else {
        throw .unexpectedReply(request: message.request)
      }
      let status = try message.number()
      let miss = asked.removeFirst()
      // A translation that goes before its answer on the other socket is there by now: it is looked at first.
      try listen()
      for vring in vrings where vring.waiting == miss {
        if status == 0 { try retry(vring) } else { refuse(vring, miss) }
      }
    }
  }

  private func closeChannel() {
    channel = nil
    asked = []
  }
}
