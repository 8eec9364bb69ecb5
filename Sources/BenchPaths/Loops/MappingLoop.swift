import BenchHarness
import CRing
import RingIOMMU
import RingKit
import RingPlatform

/// Maps a batch and unmaps it again, over and over: what a path costs with no ring around it.
struct MappingLoop<Mapping: BitwiseCopyable> {
  private let plan: LoadPlan
  /// How many are mapped before the first is unmapped.
  private let together: Int
  private var slot = 0
  private var mappings: [Mapping]

  init(_ plan: LoadPlan, together: Int, unmapped: Mapping) {
    self.plan = plan
    self.together = together
    mappings = Array(repeating: unmapped, count: together)
  }

  /// Maps and unmaps `count` buffers and returns the nanoseconds it took.
  mutating func run<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, count: Int
  ) throws(SliceFailure) -> UInt64 where Mapper.Mapping == Mapping {
    let start = cring_nanoseconds()
    var left = count
    do throws(DMAError) {
      while left > 0 {
        let number = min(left, together)
        try exchange(&mapper, number)
        left &-= number
      }
    } catch { throw .queue(.mapping(error)) }
    return cring_nanoseconds() &- start
  }

  /// One batch; when a map fails, what was mapped before it is unmapped.
  @inline(__always)
  private mutating func exchange<Mapper: DMAMapper & ~Copyable>(
    _ mapper: inout Mapper, _ number: Int
  ) throws(DMAError) where Mapper.Mapping == Mapping {
    let (payload, depth, direction) = (plan.payload, plan.depth, plan.direction)
    var at = slot
    var mapped = 0
    var failure: DMAError?
    while mapped < number {
      do throws(DMAError) {
        mappings[mapped] = try mapper.map(payload.segment(at), direction).mapping
      } catch {
        failure = error
        break
      }
      mapped &+= 1
      at = at &+ 1 == depth ? 0 : at &+ 1
    }
    slot = at
    for i in 0..<mapped { try mapper.unmap(mappings[i], direction) }
    if let failure { throw failure }
  }
}
