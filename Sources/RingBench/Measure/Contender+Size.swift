extension Contender {
  /// As many buffers to a slice as it takes, when one costs so much.
  ///
  /// Whole batches: a floor that moves groups of descriptors has no other way to count.
  func size(_ nanoseconds: Double, at nanosecondsPerBuffer: Double) {
    let wanted = max(Double(batchMultiple), nanoseconds / max(nanosecondsPerBuffer, 1))
    buffersPerSlice = Int(wanted) / batchMultiple * batchMultiple
  }

  /// The same after a slice that took less than half as long as it should, or more than twice.
  ///
  /// CPUs that move pay several times as much for a buffer in one placement as in another. A slice sized elsewhere is then
  /// over before the ring and the caches are as they stay, or takes the time of others.
  func resize(_ nanoseconds: Double, after nanosecondsPerBuffer: Double) {
    let taken = nanosecondsPerBuffer * Double(buffersPerSlice)
    if taken < nanoseconds / 2 || taken > 2 * nanoseconds { size(nanoseconds, at: nanosecondsPerBuffer) }
  }
}
