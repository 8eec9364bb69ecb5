extension Contender {
  /// Fewer buffers to calibrate and to count with where each takes long; still whole rounds of the flush queue.
  func limitWork(_ path: DMAPath?, bytes: Int) {
    guard bytes > 16_384 || path == .viommu || path == .mmu else { return }
    trialBuffers = 128
    countedBuffers = 255 * 2
  }
}
