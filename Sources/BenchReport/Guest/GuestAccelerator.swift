import BenchHarness
import BenchPaths

/// What runs a guest's instructions.
package enum GuestAccelerator: String, CaseIterable, Encodable, Sendable, NamedChoice {
  /// KVM where it is and really runs a guest, else software emulation.
  case auto
  case kvm
  /// QEMU's software emulation: right, and its times mean nothing.
  case tcg

  package static let noun = "accelerator"
}
