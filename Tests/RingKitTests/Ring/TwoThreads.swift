import RingTestSupport
import Testing

/// Suites whose tests run two polling threads each: one test at a time, or they starve each other.
@Suite("Two threads", .serialized, .oneAtATime)
enum TwoThreads {}
