/// What `ringbench guest` runs.
struct GuestParameters: Encodable, Sendable {
  var settings = GuestSetting.allCases
  var rings = RingLayout.allCases
  /// As asked for; the report says what it became.
  var accelerator = GuestAccelerator.auto
  /// Threads of the load; each waits for each of its requests.
  var threads = 4
  /// Writes, and then reads, of each thread; `nil` until it is known what runs the guest.
  var requests: Int?
  var blockBytes = 4096
  var diskBytes = 64 << 20
  var secondsPerBoot = 120.0

  /// Enough under software emulation for counts, which then are what there is.
  static func defaultRequests(_ accelerator: GuestAccelerator) -> Int { accelerator == .tcg ? 500 : 20_000 }
}
