/// A fragment and a direction: how many segments use its mapping, and where that leads.
@frozen
@usableFromInline
struct FragmentRecord<Mapping: BitwiseCopyable>: BitwiseCopyable {
  @usableFromInline var users: UInt32 = 0
  @usableFromInline var iova: UInt64 = 0
  @usableFromInline var mapping: Mapping

  @inlinable
  init(users: UInt32, iova: UInt64, mapping: Mapping) {
    self.users = users
    self.iova = iova
    self.mapping = mapping
  }
}
