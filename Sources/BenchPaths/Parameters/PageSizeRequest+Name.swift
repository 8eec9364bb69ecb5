import BenchHarness
import RingIOMMU
import RingKit
import RingPlatform

extension PageSizeRequest: NamedChoice {
  package static let noun = "page size"
}
