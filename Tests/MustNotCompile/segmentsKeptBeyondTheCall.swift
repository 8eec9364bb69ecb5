// expect: is consuming
import RingKit

func keep(_ queue: inout SplitDeviceQueue<RegionTranslator<UncountedWork>>) throws {
  var kept: ChainSegments?
  _ = try queue.serve(atMost: 1) { _, segments in
    kept = segments
    return 0
  }
  _ = kept
}
