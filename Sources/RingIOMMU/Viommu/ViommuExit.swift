public import RingKit

/// What an emulated IOMMU's driver pays for telling the VMM that it changed a mapping.
///
/// Owned by one thread, inside one ``ViommuMapper``. Either a real request to another process (``ViommuClient``) or a
/// time that was given (``InjectedExit``).
public protocol ViommuExit {
  /// Tells of new entries, and returns when the VMM knows them.
  ///
  /// - Throws: ``ViommuFailure``; after ``ViommuFailure/refused(_:)`` the VMM knows none of them.
  mutating func mapped(
    _ address: IOVA, to target: GuestPhysicalAddress, pages: UInt64, _ direction: DMADirection
  ) throws(ViommuFailure)

  /// Tells of cleared entries, and returns when the VMM has forgotten them.
  mutating func unmapped(_ address: IOVA, pages: UInt64) throws(ViommuFailure)
}
