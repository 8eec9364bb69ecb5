public import RingKit

extension Platform {
  /// Whether devices reach memory of this visibility, so that its address may be handed to one as it is.
  ///
  /// A path that hands over what the caller submits (``DirectMapper``, ``IdentityMapper``) is of use only where this is
  /// true of every buffer; elsewhere buffers have to be bounced.
  public func exposes(_ visibility: Visibility) -> Bool { !isSecure || visibility == .shared }
}
