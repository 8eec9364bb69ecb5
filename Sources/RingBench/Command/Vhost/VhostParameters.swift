#if Bench
import BenchHarness
import BenchPaths
import BenchReport
import VhostUser

/// ``VhostOptions``, checked.
struct VhostParameters: Sendable {
  let socket: String
  let options: VhostUserOptions
  let isOnce: Bool
  let format: OutputFormat
}
#endif
