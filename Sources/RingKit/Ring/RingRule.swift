/// A rule of the specification's ring chapters that a peer can break.
///
/// `s…` are the split ring's (virtio 1.2, 2.7), `p…` the packed ring's (2.8), numbered as in `Documentation/rules.md`.
public enum RingRule: String, Sendable, CaseIterable {
  /// Ring parts and descriptor tables lie at multiples of their alignment.
  case s1 = "S1"
  /// Device-writable descriptors come after device-readable ones.
  case s2 = "S2"
  /// A chain holds at most 2^32 bytes and has no loop.
  case s4 = "S4"
  /// IN_ORDER: `next` is the following descriptor, 0 after the table's last.
  case s5 = "S5"
  /// INDIRECT only where it was negotiated.
  case s6 = "S6"
  /// No indirect table inside an indirect table.
  case s7 = "S7"
  /// A chain is no longer than the queue.
  case s8 = "S8"
  /// Never INDIRECT with NEXT.
  case s9 = "S9"
  /// IN_ORDER: descriptors of an indirect table follow each other.
  case s10 = "S10"
  /// The available index never goes back.
  case s11 = "S11"
  /// A used entry names a buffer that is in flight.
  case s27 = "S27"
  /// No more is written than the buffer holds.
  case s28 = "S28"
  /// Ring parts and descriptor tables lie at multiples of their alignment.
  case p1 = "P1"
  /// A list is no longer than the device's limit and the queue.
  case p6 = "P6"
  /// Device-writable elements come after device-readable ones.
  case p7 = "P7"
  /// The first descriptor of a list becomes available last: the rest is available with it.
  case p10 = "P10"
  /// INDIRECT only where it was negotiated.
  case p11 = "P11"
  /// Only WRITE inside an indirect table.
  case p12 = "P12"
  /// An indirect list is no longer than the device's limit.
  case p13 = "P13"
  /// No INDIRECT inside a list linked by NEXT.
  case p14 = "P14"
  /// Used descriptors name buffers that are in flight.
  case p18 = "P18"
  /// A used descriptor is used once; no more is written than the buffer holds.
  case p21 = "P21"
}
