/// The moment at which a wait ends, as a clock of nanoseconds counts.
package enum Deadline {
  /// So many nanoseconds after `now`; never, where the clock does not count so far.
  package static func after(_ now: UInt64, nanoseconds: UInt64) -> UInt64 {
    let (sum, overflow) = now.addingReportingOverflow(nanoseconds)
    return overflow ? .max : sum
  }

  /// So many milliseconds after `now`, the same way; at once for a number below zero.
  package static func after(_ now: UInt64, milliseconds: Int) -> UInt64 {
    let (nanoseconds, overflow) = UInt64(max(milliseconds, 0)).multipliedReportingOverflow(by: 1_000_000)
    return after(now, nanoseconds: overflow ? .max : nanoseconds)
  }
}
