extension PackedDeviceQueue where Translator: ~Copyable {
  /// Goes on where another device ended: at the first descriptor that it did not use.
  ///
  /// Only for a ring whose devices complete buffers in the order they fetch them and publish each used
  /// descriptor by itself (`serve(atMost: 1)`; with IN_ORDER a batch of buffers used completely is one): a larger batch
  /// that was cut off leaves used descriptors behind one that is not, and what they said before is lost.
  public mutating func resume(at position: UInt16) -> Bool {
    precondition(inFlight == 0 && used == WrapCounter(), "a queue resumes before it serves")
    let place = WrapCounter(offset: position & 0x7fff, wrap: position & 0x8000 != 0)
    guard place.offset < ringSize else { return false }
    let word = ring.descriptors.load64(Int(place.offset) &* 16 &+ 8)
    let marks = UInt16(truncatingIfNeeded: word >> 48) & (DescriptorFlags.available | DescriptorFlags.used)
    // A descriptor of this lap that is used already: the driver has not come this far.
    guard marks != place.usedFlags else { return false }
    available = place
    used = place
    published = place
    event = EventSuppression(rawValue: ring.deviceEvent.load32(0))
    return true
  }
}
