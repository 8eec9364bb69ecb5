// expect: does not conform to protocol 'DMAMapper'
import RingKit

struct Wrapper<Base: DMAMapper & ~Copyable>: DMAMapper, ~Copyable {
  var base: Base
  var work: Base.Counter {
    get { base.work }
    set { base.work = newValue }
  }
  static var unmapped: Base.Mapping { Base.unmapped }

  mutating func map(
    _ segment: MemorySegment, _ direction: DMADirection
  ) throws(DMAError) -> (address: IOVA, mapping: Base.Mapping) { try base.map(segment, direction) }

  mutating func unmap(
    _ mapping: Base.Mapping, _ direction: DMADirection, written: UInt32
  ) throws(DMAError) -> UInt32 { try base.unmap(mapping, direction, written: written) }

  mutating func poll() throws(DMAError) { try base.poll() }
}
