extension PackedDeviceQueue where Translator: ~Copyable {
  /// Where another device would go on (``resume(at:)``): behind everything published, with the wrap counter in bit 15.
  public var position: UInt16 { published.word }
}
