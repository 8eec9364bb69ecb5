extension SplitDeviceQueue where Translator: ~Copyable {
  /// Where another device would go on (``resume(at:)``): behind everything published.
  public var position: UInt16 { published.rawValue }
}
