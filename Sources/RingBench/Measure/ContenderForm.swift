/// What a factory makes of the two sides of a path.
enum ContenderForm: Sendable {
  /// A ring between them.
  case ring
  /// No ring: the driver's thread maps and unmaps, the device's serves.
  case mapping
  /// No ring: the device's thread translates what was mapped once.
  case translating
}
