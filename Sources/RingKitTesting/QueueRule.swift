/// A rule of `Documentation/rules.md` that ``QueueChecks`` can hold a queue to from outside.
///
/// Not among them: S1 and P1 (the code that sets a ring up says where its parts lie; `SplitRing` and `PackedRing`
/// refuse), the barriers S19, S20, P15 and P16 (they show in no single thread: run your queue between two threads under
/// the thread sanitizer), and P23, which permits a device a limit and demands nothing.
public enum QueueRule: String, CaseIterable, Sendable {
  /// Split, driver: what the device writes comes after what it reads.
  case s2 = "S2"
  /// Split, driver: no more descriptors than the buffer needs.
  case s3 = "S3"
  /// Split, driver: a chain holds at most 2^32 bytes and has no loop.
  case s4 = "S4"
  /// Split, driver: with IN_ORDER `next` is the following descriptor.
  case s5 = "S5"
  /// Split, driver: INDIRECT only where it was negotiated.
  case s6 = "S6"
  /// Split, driver: a table holds no table.
  case s7 = "S7"
  /// Split, driver: a chain is no longer than the queue, its table included.
  case s8 = "S8"
  /// Split, driver: INDIRECT and NEXT never stand together.
  case s9 = "S9"
  /// Split, driver: with IN_ORDER a table's entries follow each other.
  case s10 = "S10"
  /// Split, driver: the available index never goes back.
  case s11 = "S11"
  /// Split, driver: without EVENT_IDX the available flags are 0 or 1.
  case s12 = "S12"
  /// Split, driver: with EVENT_IDX they are 0, and `used_event` says what is awaited.
  case s13 = "S13"
  /// Split, driver: a notification without cause does no harm.
  case s14 = "S14"
  /// Split, driver: the used length is handed on, and no more.
  case s15 = "S15"
  /// Split, driver: the used flags start at 0.
  case s16 = "S16"
  /// Split, driver: without EVENT_IDX the flag decides on notifications.
  case s17 = "S17"
  /// Split, driver: with EVENT_IDX the index decides.
  case s18 = "S18"
  /// Split, device: a buffer is the same however it is cut into descriptors.
  case s21 = "S21"
  /// Split, device: what is readable and what is writable are told apart.
  case s22 = "S22"
  /// Split, device: what the driver writes is never written.
  case s23 = "S23"
  /// Split, device: WRITE on the descriptor of a table means nothing.
  case s24 = "S24"
  /// Split, device: a chain of descriptors may end in a table.
  case s25 = "S25"
  /// Split, device: the driver's wish for notifications is honoured.
  case s26 = "S26"
  /// Split, device: each completed buffer has its used entry before the index moves; in order with IN_ORDER.
  case s27 = "S27"
  /// Split, device: no more is reported than was written.
  case s28 = "S28"
  /// Split, device: the used flags are 0 or 1 without EVENT_IDX, 0 with it.
  case s29 = "S29"
  /// Split, device: a notification without cause does no harm.
  case s30 = "S30"
  /// Packed, driver: a descriptor is changed only after it was used.
  case p2 = "P2"
  /// Packed, driver: nor after it was made available.
  case p3 = "P3"
  /// Packed, driver: a notification's data names the next descriptor not yet available.
  case p4 = "P4"
  /// Packed, device: notifications may be repeated.
  case p5 = "P5"
  /// Packed, driver: a list is no longer than the queue, and has no loop.
  case p6 = "P6"
  /// Packed, driver: what the device writes comes after what it reads.
  case p7 = "P7"
  /// Packed, driver: a list does not wait for the device to use others.
  case p8 = "P8"
  /// Packed, driver: there is room for all of a list before its first descriptor is available.
  case p9 = "P9"
  /// Packed, driver: a list's first descriptor becomes available last.
  case p10 = "P10"
  /// Packed, driver: INDIRECT only where it was negotiated.
  case p11 = "P11"
  /// Packed, driver: WRITE is the only flag inside a table.
  case p12 = "P12"
  /// Packed, driver: a table is no longer than the queue.
  case p13 = "P13"
  /// Packed, driver: a table never stands in a list linked by NEXT.
  case p14 = "P14"
  /// Packed, device: processing starts in ring order.
  case p17 = "P17"
  /// Packed, device: used descriptors are written in the order of completion; in order with IN_ORDER.
  case p18 = "P18"
  /// Packed, device: what is readable and what is writable are told apart.
  case p19 = "P19"
  /// Packed, device: a descriptor is not taken before its AVAIL changed.
  case p20 = "P20"
  /// Packed, device: after USED a descriptor is left alone, and no more is reported than was written.
  case p21 = "P21"
  /// Packed, device: one used descriptor stands for all of a list.
  case p22 = "P22"
}
