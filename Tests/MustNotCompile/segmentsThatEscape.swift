// expect: lifetime-dependent
import RingKit

func keep(_ queue: inout SplitDeviceQueue<RegionTranslator<NoWork>>) throws -> UInt32 {
  var kept: ChainSegments?
  _ = try queue.serve(atMost: 1) { _, segments throws(Never) in
    kept = segments
    return 0
  }
  return kept!.copyIn([1])
}
