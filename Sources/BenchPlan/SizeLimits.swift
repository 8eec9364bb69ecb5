import BenchHarness

/// Whether buffers of the sizes asked for fit where the paths put them.
package enum SizeLimits {
  private static let slotBytes = 2_048
  private static let segmentSlots = 128
  private static let mostPayloadBytes = 1 << 30

  /// What no path takes: for a run in which a size beyond one path's limit is a result, not an error.
  package static func checkSweep(_ parameters: CostParameters) throws(BenchError) {
    let limit = DMAPath.direct.sizeLimit
    for size in parameters.sizes {
      guard size <= limit.bytes else {
        throw .usage("\(size) bytes are more than \(limit.bytes): \(limit.reason)")
      }
      guard size * parameters.depth <= mostPayloadBytes else {
        throw .usage("\(parameters.depth) buffers of \(size) bytes need more than 1 GiB; lower --depth or --size")
      }
    }
    guard parameters.paths.contains(.swiotlb) else { return }
    try checkAreas(parameters)
  }

  package static func check(_ parameters: CostParameters) throws(BenchError) {
    for size in parameters.sizes {
      for path in parameters.measuredPaths {
        let limit = path.sizeLimit
        guard size <= limit.bytes else {
          throw .usage("\(size) bytes are beyond what \(path.name) takes, \(limit.bytes): \(limit.reason)")
        }
      }
      if let slot = parameters.shadowSlot, parameters.paths.contains(.shadow), size > slot {
        throw .usage("\(size) bytes are larger than a shadow buffer of \(slot); raise --shadow-slot or leave it away")
      }
      let buffers = parameters.depth * parameters.queues
      guard size * buffers <= mostPayloadBytes else {
        throw .usage("\(buffers) buffers of \(size) bytes need more than 1 GiB; lower --depth or --size")
      }
      if parameters.paths.contains(where: \.usesPool) { try checkPool(size, parameters) }
    }
  }

  // A mapping lies within one segment of 128 slots; from a page on it starts on a page, so an odd slot is lost.
  private static func checkPool(_ size: Int, _ parameters: CostParameters) throws(BenchError) {
    let needed = (size + slotBytes - 1) / slotBytes
    let stride = size >= 4_096 ? (needed + 1) / 2 * 2 : needed
    let segments = try checkAreas(parameters)
    let most = segments * (segmentSlots / stride)
    let buffers = parameters.depth * parameters.queues
    guard buffers <= most else {
      throw .usage(
        "a swiotlb pool of \(parameters.swiotlbMebibytes) MiB holds \(most) buffers of \(size) bytes, not "
          + "\(buffers); raise --swiotlb-mib or lower --depth"
      )
    }
  }

  /// Refuses a number of descriptors that no ring of these layouts has.
  package static func queueSize(_ size: Int, for rings: [RingLayout]) throws(BenchError) -> Int {
    guard (1...32_768).contains(size) else {
      throw .usage("a ring has 1 to 32768 descriptors, not \(size) (--queue-size)")
    }
    guard size & (size - 1) == 0 || !rings.contains(.split) else {
      throw .usage("a split ring has a power of two of descriptors, not \(size); try \(powerOfTwo(atLeast: size))")
    }
    return size
  }

  package static func powerOfTwo(atLeast number: Int) -> Int {
    var power = 1
    while power < number { power *= 2 }
    return power
  }

  /// Returns the segments of the pool.
  @discardableResult
  private static func checkAreas(_ parameters: CostParameters) throws(BenchError) -> Int {
    let segments = (parameters.swiotlbMebibytes << 20) / (slotBytes * segmentSlots)
    guard parameters.swiotlbAreas <= segments else {
      throw .usage(
        "a pool of \(parameters.swiotlbMebibytes) MiB is too small for \(parameters.swiotlbAreas) areas; raise "
          + "--swiotlb-mib"
      )
    }
    return segments
  }
}

/// How payloads lie in memory.
package enum Payload {
  /// Bytes from one buffer to the next: below a page a power of two, so that no buffer straddles a page; from a page
  /// on, whole pages.
  package static func stride(for bytes: Int) -> Int {
    if bytes >= 4096 { return (bytes + 4095) & ~4095 }
    var stride = 64
    while stride < bytes { stride *= 2 }
    return stride
  }
}
