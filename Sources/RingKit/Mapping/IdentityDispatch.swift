/// How ``IdentityMapper`` reaches its table of operations.
public enum IdentityDispatch: String, Sendable, CaseIterable {
  /// A plain indirect call.
  case indirect
  /// A retpoline, as kernels use on CPUs whose indirect branches can be mistrained; built for x86-64 only.
  case retpoline
}
