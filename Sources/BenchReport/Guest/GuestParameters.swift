import BenchHarness
import BenchPaths

/// What `ringbench guest` runs.
package struct GuestParameters: Encodable, Sendable {
  package var settings = GuestSetting.allCases
  package var rings = RingLayout.allCases
  /// As asked for; the report says what it became.
  package var accelerator = GuestAccelerator.auto
  /// Threads of the load; each waits for each of its requests.
  package var threads = 4
  /// Writes, and then reads, of each thread; `nil` until it is known what runs the guest.
  package var requests: Int?
  package var blockBytes = 4096
  package var diskBytes = 64 << 20
  package var secondsPerBoot = 120.0

  package init() {}

  /// Enough under software emulation for counts, which then are what there is.
  package static func defaultRequests(_ accelerator: GuestAccelerator) -> Int { accelerator == .tcg ? 500 : 20_000 }
}
