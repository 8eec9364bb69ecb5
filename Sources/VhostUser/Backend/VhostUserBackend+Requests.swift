internal import RingIOMMU
internal import RingKit
internal import RingPlatform

extension VhostUserBackend {
  /// Does what a message asks for, and answers where an answer is due.
  func handle(_ message: VhostUserMessage) throws(VhostUserError) {
    let request = try FrontendMessage(message)
    hasRefused = false
    let answer = try answer(request, message)
    if let answer {
      try connection.send(answer)
    } else if message.flags.contains(.needReply), protocolFeatures.contains(.replyAck), !request.request.hasReply {
      // Other messages may let a ring stop as well, and are obeyed all the same.
      let isOfVring = [.setVringAddress, .setVringKick, .setVringEnable].contains(request.request)
      try connection.send(message.reply(isOfVring && hasRefused ? 1 : 0))
    }
  }

  private func answer(
    _ request: FrontendMessage, _ message: VhostUserMessage
  ) throws(VhostUserError) -> VhostUserMessage? {
    switch request {
    case .getFeatures: return message.reply(offered.rawValue)
    case .setFeatures(let features): try negotiate(features)
    case .getProtocolFeatures: return message.reply(offeredProtocol.rawValue)
    case .setProtocolFeatures(let features):
      // A front-end that wants to read a configuration space that is not there reads zeros.
      let extra = features.subtracting(options.protocolFeatures)
      guard extra.isEmpty else { throw .protocolFeaturesNotOffered(extra) }
      protocolFeatures = features
    case .setOwner: break
    // Nothing, which is one of the two things it may mean.
    case .resetOwner: break
    case .getQueueCount: return message.reply(UInt64(device.queueCount))
    case .setMemoryTable(let table, let files): try setMemory(table, files)
    case .setLogBase(let byteCount, let fileOffset, let file):
      try need(.logSharedMemory, message)
      try setLog(byteCount, fileOffset, file)
      return message.reply([])
    // A front-end that looks at the log when it needs it has no use for being told; it is closed.
    case .setLogFile: break
    case .setVringSize(let state): try setSize(state)
    case .setVringAddress(let address): try setAddress(address)
    case .setVringBase(let state): try setBase(state)
    case .getVringBase(let state): return message.reply(try stop(state).payload)
    case .setVringKick(let index, let file): try setKick(index, file)
    case .setVringCall(let index, let file): try setCall(index, file)
    case .setVringError(let index, let file):
      try vring(UInt32(index)).error = try doorbell(file, .setVringError)
    case .setVringEnable(let state): try enable(state)
    case .setBackendChannel(let socket):
      try need(.backendRequests, message)
      channel = try VhostUserConnection(attaching: try socket.duplicate())
      try askAgain()
    case .iotlb(let translation): try translate(translation)
    case .getConfig(let access):
      try need(.config, message)
      return message.reply(read(access).payload)
    case .setConfig(let access):
      try need(.config, message)
      // Of a migration, too, only what a driver may write is taken: the rest is this device's own.
      if !device.write(access), message.flags.contains(.needReply), protocolFeatures.contains(.replyAck) {
        return message.reply(1)
      }
    case .getInflight(let wanted):
      try need(.inflight, message)
      return try makeInflight(wanted, message)
    case .setInflight(let description, let file):
      try need(.inflight, message)
      try takeInflight(description, file)
    case .resetDevice:
      try need(.resetDevice, message)
      resetDevice()
    case .getStatus:
      try need(.status, message)
      return message.reply(UInt64(status.rawValue))
    case .setStatus(let status):
      try need(.status, message)
      try write(status)
    }
    return nil
  }

  private func need(_ feature: ProtocolFeatures, _ message: VhostUserMessage) throws(VhostUserError) {
    guard protocolFeatures.contains(feature) else {
      throw .notNegotiated(request: message.request, feature: feature)
    }
  }

  private func negotiate(_ wanted: VirtioFeatures) throws(VhostUserError) {
    let extra = wanted.subtracting(offered)
    guard extra.isEmpty else { throw .featuresNotOffered(extra) }
    // A migration begins and ends while rings run: this bit is not the driver's, and changes nothing else.
    let logs = wanted.contains(.logAll)
    if logs && !protocolFeatures.contains(.logSharedMemory) {
      throw .notNegotiated(request: FrontendRequest.setFeatures.rawValue, feature: .logSharedMemory)
    }
    let wanted = wanted.subtracting(.logAll)
    if hasFeatures && wanted == features && logs != isLogging { return try setLogging(logs) }
    if wanted != features, let running = vrings.first(where: \.isRunning) {
      throw .vringRuns(index: running.index, request: FrontendRequest.setFeatures.rawValue)
    }
    if wanted != features {
      device.reset()
      forgetTranslations()
      // Notes of the queues that stood here before: of another layout, or another driver.
      for vring in vrings { (vring.pending, vring.published, vring.hasBegun) = ([], nil, false) }
    }
    features = wanted
    hasFeatures = true
    device.configure(wanted)
    try setLogging(logs)
  }

  /// Stops and disables all vrings; notes of what was in flight mean nothing any more.
  private func resetDevice() {
    for vring in vrings {
      // In the front-end's memory too, which it may pass again. Those of a queue that it stopped before are its own:
      // QEMU resets the status of a guest that only pauses.
      vring.running?.queue.retire()
      suspend(vring)
      vring.stop()
      (vring.isEnabled, vring.pending, vring.hasBegun) = (false, [], false)
    }
    inflight = nil
    // Translations of a driver that is gone.
    forgetTranslations()
    forgetQuestions()
    device.reset()
    device.configure(features)
  }

  /// The device's status as a driver reads it: a queue that cannot go on needs a reset.
  private var status: DeviceStatus {
    written.contains(.driverOK) && vrings.contains { $0.failure != nil } ? written.union(.needsReset) : written
  }

  /// Takes a status that a driver writes: 0 resets the device, and nothing else takes a bit back.
  private func write(_ status: DeviceStatus) throws(VhostUserError) {
    guard !status.isEmpty else {
      resetDevice()
      (written, hasFeatures) = ([], false)
      return
    }
    let cleared = written.subtracting(status)
    guard cleared.isEmpty else { throw .statusCleared(cleared, from: written) }
    // A front-end that adds a bit to what it read writes this one, too; it is the device's own.
    written = status.subtracting(.needsReset)
    // Features that were not set cannot be agreed on: the bit stays clear.
    if !hasFeatures { written.remove(.featuresOK) }
  }

  private func read(_ access: ConfigAccess) -> ConfigAccess {
    let space = device.configuration
    var answer = access
    for i in access.bytes.indices {
      let at = Int(access.offset) + i
      answer.bytes[i] = at < space.count ? space[at] : 0
    }
    return answer
  }

  private func makeInflight(
    _ wanted: InflightDescription, _ message: VhostUserMessage
  ) throws(VhostUserError) -> VhostUserMessage {
    try check(wanted)
    try checkInflightIsFree(.getInflight)
    let made = try InflightMemory(queueCount: wanted.queueCount, queueSize: wanted.queueSize)
    guard let file = made.file else { throw .inflight("the kernel gave it no file") }
    // The front-end hands it back with the next message, and to this back-end's successor.
    inflight = made
    return message.reply(made.description.payload, descriptors: [file])
  }

  private func takeInflight(_ description: InflightDescription, _ file: PassedDescriptor) throws(VhostUserError) {
    try check(description)
    try checkInflightIsFree(.setInflight)
    inflight = try InflightMemory(description, file: file, mustBeSealed: options.mustBeSealed)
  }

  /// A queue that runs writes its notes to the memory that it began with, which goes when it is replaced.
  private func checkInflightIsFree(_ request: FrontendRequest) throws(VhostUserError) {
    guard let running = vrings.first(where: \.isRunning) else { return }
    throw .vringRuns(index: running.index, request: request.rawValue)
  }

  private func check(_ description: InflightDescription) throws(VhostUserError) {
    guard (1...vrings.count).contains(Int(description.queueCount)) else {
      throw .inflight("it is for \(description.queueCount) queues; the device has \(vrings.count)")
    }
    guard (1...32_768).contains(Int(description.queueSize)) else {
      throw .inflight("it is for queues of \(description.queueSize)")
    }
  }
}
