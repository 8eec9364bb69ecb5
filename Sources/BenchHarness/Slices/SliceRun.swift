import RingKit

/// What the driver's thread brings back.
package struct SliceRun: Sendable {
  var records: [SliceRecord] = []
  /// Work per buffer of each case's counted twin.
  package var counters: [Int: [String: Double]] = [:]
  /// Single round trips, by the number among the timed cases.
  package var latencies: [Int: Latency] = [:]
  /// Why cases were left out, each reason once.
  package var leftOut: [String] = []
  package var interrupted = false
  var failure: (label: String, failure: SliceFailure)?

  /// What a run brings back that was told to end before its first slice, and waited for something then.
  ///
  /// - Throws: any other error.
  package static func nothing(_ error: BenchError) throws(BenchError) -> SliceRun {
    guard error.isGivenUp else { throw error }
    var run = SliceRun()
    run.interrupted = true
    return run
  }

  /// Round trips of a cache line, before and after each slice, in nanoseconds.
  package var roundTrips: [Double] {
    records.flatMap { [$0.conditions.roundTripBefore, $0.conditions.roundTripAfter] }
  }
}

/// One slice as it was measured.
package struct SliceRecord: Sendable {
  let benchCase: Int
  package let round: Int
  package let nanosecondsPerBuffer: Double
  package let conditions: SliceConditions
  /// The number of the setting that the run's tuner gave it.
  package var setting: Int?
}

/// Why a slice could not be finished.
///
/// Any of them ends the run: a benchmark that lost a byte has no result.
package enum SliceFailure: Error, Sendable {
  /// The device wrote, or the driver found, a byte that is not the one sent.
  case wrongByte(sequence: UInt64, offset: Int)
  /// A buffer came back out of turn.
  case wrongOrder(expected: UInt64, got: UInt64)
  /// A buffer came back with another length than was written, in bytes.
  case wrongLength(sequence: UInt64, expected: Int, got: Int)
  /// The ring threw.
  case queue(QueueError)
  /// The other thread failed first.
  case other
  /// The device's process is gone; what it completed came back, and this many buffers had not.
  case deviceGone(inFlight: Int)
  /// The device's process is gone, which an unmap waited for; this many buffers had not come back until then.
  case deviceUnreachable(left: Int)
  /// The other side did not end its step for ten seconds.
  case silent
  /// Nothing came back for ten seconds.
  case stalled(done: Int, of: Int)

  /// Whether it says that the other side, or what a path asks, gave no answer.
  ///
  /// A run that was told to end meets it, because it waits no longer; what was measured before is as good as it was.
  var isOfPeer: Bool {
    switch self {
    case .queue(.mapping), .other, .deviceGone, .deviceUnreachable, .silent, .stalled: true
    case .queue, .wrongByte, .wrongOrder, .wrongLength: false
    }
  }

  package var text: String {
    switch self {
    case .wrongByte(let sequence, let offset): "buffer \(sequence) arrived with a wrong byte at offset \(offset)"
    case .wrongOrder(let expected, let got): "buffer \(got) came back where \(expected) was due"
    case .wrongLength(let sequence, let expected, let got):
      "buffer \(sequence) came back with \(got) bytes instead of \(expected)"
    case .queue(let error): error.description
    case .other: "the other end failed"
    case .deviceGone(let count): "with \(count) buffers in flight that it had not completed"
    case .deviceUnreachable(let count): "while an unmap waited for it, with \(count) buffers that had not come back"
    case .silent: "the other side did not end its slice for ten seconds"
    case .stalled(let done, let total): "no buffer came back for ten seconds (\(done) of \(total) had)"
    }
  }
}

/// Where the CPUs of a run are, and what was taken from them since it began.
package struct CPUState: Sendable {
  /// Nanoseconds; negative when the probe was not answered.
  package var roundTrip: Double
  var stolenTicks: UInt64 = 0
  var involuntarySwitches: UInt64 = 0
}
