/// Inflight memory as a front-end keeps it for the back-ends that come one after the other.
///
/// It is held and passed on, never read: what stands in it is between back-ends.
struct KeptInflight {
  let description: InflightDescription
  let file: PassedDescriptor

  /// Bytes that a queue's notes have at most: twice those of the longest ring, so that pages of any size hold them.
  static let mostBytesPerQueue: UInt64 = 2 << 20

  /// Takes what a back-end gave, once it was checked.
  ///
  /// - Parameters:
  ///   - given: the answer, another party's.
  ///   - file: the descriptor that came with it.
  ///   - wanted: what was asked for.
  ///   - isPacked: the layout of the queues.
  /// - Throws: ``InflightError``.
  init(
    _ given: InflightDescription, file: PassedDescriptor, wanted: InflightDescription, isPacked: Bool
  ) throws(InflightError) {
    guard given.queueCount == wanted.queueCount, given.queueSize == wanted.queueSize else {
      throw .shape(
        queues: given.queueCount, of: given.queueSize, wantedQueues: wanted.queueCount, wantedSize: wanted.queueSize)
    }
    let queues = UInt64(wanted.queueCount)
    let needed = queues * UInt64(InflightLayout.queueBytes(size: Int(wanted.queueSize), packed: isPacked))
    let limit = queues * Self.mostBytesPerQueue
    guard (needed...limit).contains(given.byteCount) else {
      throw .byteCount(given.byteCount, needed: needed, limit: limit)
    }
    // No successor could map what this process cannot; it is let go at once.
    do throws(VhostUserError) { _ = try InflightMemory(given, file: file) } catch { throw .file(error) }
    (description, self.file) = (given, file)
  }
}
