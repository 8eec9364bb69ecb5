extension VhostUserMessage {
  func check(_ byteCounts: [Int], descriptors expected: Int) throws(VhostUserError) {
    guard byteCounts.contains(payload.count) else {
      throw .payloadLength(request: request, byteCount: payload.count, expected: byteCounts[0])
    }
    guard descriptors.count == expected else {
      throw .descriptorCount(request: request, count: descriptors.count, expected: expected)
    }
  }

  /// The number that a reply consists of.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func number() throws(VhostUserError) -> UInt64 {
    try check([8], descriptors: 0)
    var reader = PayloadReader(payload)
    return reader.number()
  }

  /// The reply to ``FrontendRequest/getVringBase``.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func vringState() throws(VhostUserError) -> VringState {
    try check([VringState.byteCount], descriptors: 0)
    var reader = PayloadReader(payload)
    return VringState(&reader)
  }

  /// The reply to ``FrontendRequest/getConfig``; without a payload the back-end refused.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func configAccess() throws(VhostUserError) -> ConfigAccess? {
    if payload.isEmpty && descriptors.isEmpty { return nil }
    return try ConfigAccess(self)
  }

  /// The reply to ``FrontendRequest/getInflight``: the description, and the file behind it.
  ///
  /// - Throws: ``VhostUserError`` when it is anything else.
  public func inflight() throws(VhostUserError) -> (InflightDescription, PassedDescriptor) {
    try check([InflightDescription.byteCount, InflightDescription.packedByteCount], descriptors: 1)
    var reader = PayloadReader(payload)
    return (InflightDescription(&reader), descriptors[0])
  }
}

extension ConfigAccess {
  init(_ message: VhostUserMessage) throws(VhostUserError) {
    let count = message.payload.count
    guard count >= Self.headerByteCount else {
      throw .payloadLength(request: message.request, byteCount: count, expected: Self.headerByteCount)
    }
    guard message.descriptors.isEmpty else {
      throw .descriptorCount(request: message.request, count: message.descriptors.count, expected: 0)
    }
    var reader = PayloadReader(message.payload)
    offset = reader.number()
    let size: UInt32 = reader.number()
    flags = reader.number()
    bytes = reader.rest
    guard size <= UInt32(Self.mostBytes), offset <= UInt32(Self.mostBytes) - size else {
      throw .configRange(offset: offset, byteCount: size)
    }
    guard bytes.count == Int(size) else {
      throw .payloadLength(request: message.request, byteCount: count, expected: Self.headerByteCount + Int(size))
    }
  }
}
