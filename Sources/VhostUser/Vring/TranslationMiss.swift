internal import RingKit

/// A translation that is missing: of which page, for which access.
struct TranslationMiss: Hashable {
  let page: UInt64
  let access: DMADirection

  init(_ address: IOVA, _ access: DMADirection) {
    page = address.rawValue & ~4095
    self.access = access
  }

  /// The question, as it is sent.
  var message: IOTLBMessage { IOTLBMessage(.miss, address: IOVA(page), permissions: IOTLBPermissions(access)) }
}
