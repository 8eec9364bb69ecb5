internal import CRing
internal import RingKit

extension VhostUserFrontend {
  /// Messages that are taken at a time from each socket: a back-end that floods one moves no deadline.
  static var messageBudget: Int { 64 }

  /// Sends a request, and notes that a reply will come where one does.
  ///
  /// - Returns: the number of the reply.
  @discardableResult
  func send(_ message: FrontendMessage, needsReply: Bool) throws(FrontendError) -> Int {
    if let failure { throw failure }
    let number = answeredCount + awaited.count
    let hasReply = message.request.hasReply
    counts.messages &+= 1
    try carrying { () throws(VhostUserError) in
      try connection.send(message.encoded(needsReply: needsReply && !hasReply))
    }
    if hasReply || needsReply { awaited.append(message.request) }
    return number
  }

  /// Sends a request and waits for its reply, answering misses meanwhile.
  func request(_ message: FrontendMessage) throws(FrontendError) -> VhostUserMessage {
    let number = try send(message, needsReply: true)
    // Nil until it has come.
    replies.updateValue(Self.pending, forKey: number)
    let deadline = Deadline.after(clock.now(), milliseconds: timeout)
    while true {
      try receiveReplies()
      if answeredCount > number, let reply = replies.removeValue(forKey: number) { return reply }
      try serveChannel()
      let now = clock.now()
      guard now < deadline else { throw fail(.unanswered(message.request, milliseconds: timeout)) }
      if isOver() {
        throw fail(.connection(.system(operation: "waiting for an answer", errno: CRING_STREAM_INTERRUPTED)))
      }
      try wait(milliseconds: Int32(min((deadline - now) / 1_000_000 + 1, 250)))
    }
  }

  private static var pending: VhostUserMessage { VhostUserMessage(request: 0) }

  /// Sends a request and waits until it is done, or only sends it where the back-end does not acknowledge.
  func order(_ message: FrontendMessage) throws(FrontendError) {
    guard protocolFeatures.contains(.replyAck) else {
      try send(message, needsReply: false)
      return
    }
    let reply = try request(message)
    let code = try carrying { () throws(VhostUserError) in try reply.number() }
    guard code == 0 else { throw fail(.refused(message.request, code: code)) }
  }

  /// Sends a request whose reply is a number, and waits for it.
  func number(_ message: FrontendMessage) throws(FrontendError) -> UInt64 {
    let reply = try request(message)
    return try carrying { () throws(VhostUserError) in try reply.number() }
  }

  /// Takes the replies that have come; each must be the one that is due.
  func receiveReplies() throws(FrontendError) {
    if let failure { throw failure }
    for _ in 0..<Self.messageBudget {
      guard let reply = try carrying({ () throws(VhostUserError) in try connection.receive() }) else { return }
      guard let due = awaited.first else {
        throw fail(.connection(.unexpectedReply(request: reply.request)))
      }
      guard reply.request == due.rawValue, reply.flags.contains(.reply) else {
        throw fail(.wrongReply(expected: due, request: reply.request, flags: reply.flags.rawValue))
      }
      awaited.removeFirst()
      if replies[answeredCount] != nil {
        replies.updateValue(reply, forKey: answeredCount)
      } else {
        // No caller waits for the acknowledgement of an update.
        let code = try carrying { () throws(VhostUserError) in try reply.number() }
        guard code == 0 else { throw fail(.refused(due, code: code)) }
      }
      answeredCount += 1
    }
  }

  /// Ends the session when another process took memory away that is shared with the device.
  package func checkMemory() throws(FrontendError) {
    if let failure { throw failure }
    if let loss = memory?.loss { throw fail(.memory(loss)) }
  }

  /// Sleeps until the back-end says something.
  private func wait(milliseconds: Int32) throws(FrontendError) {
    var set = PollSet()
    set.add(connection.fileDescriptor, writable: connection.isSending)
    if let channel { set.add(channel.fileDescriptor, writable: channel.isSending) }
    try carrying { () throws(VhostUserError) in try clock.sleep(&set, milliseconds) }
    try carrying { () throws(VhostUserError) in try connection.flush() }
  }
}
