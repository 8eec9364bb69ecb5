/// The cells of a ``PrivateTable``, copied out for a loop.
///
/// A loop that stores through pointers makes the compiler read a queue's own fields anew at each turn, because any store
/// might have changed them; what a local holds stays in a register. Not to be kept: valid while the table lives.
@frozen @safe
@usableFromInline
struct PrivateCells<Element: BitwiseCopyable> {
  @usableFromInline let base: UnsafeMutablePointer<Element>
  @usableFromInline let count: Int

  @inlinable @inline(__always)
  init(base: UnsafeMutablePointer<Element>, count: Int) {
    unsafe self.base = unsafe base
    self.count = count
  }

  /// The cells from `index` on, so that a loop over a run of them counts from 0.
  @inlinable @inline(__always)
  func advanced(by index: Int) -> PrivateCells {
    assert(index >= 0 && index <= count)
    return unsafe PrivateCells(base: base + index, count: count &- index)
  }

  // To be assigned through plainly: see PrivateTable.
  @inlinable @inline(__always)
  subscript(index: Int) -> Element {
    get {
      assert(index >= 0 && index < count)
      return unsafe base[index]
    }
    nonmutating set {
      assert(index >= 0 && index < count)
      unsafe base[index] = newValue
    }
  }

  @inlinable @inline(__always)
  subscript(index: UInt16) -> Element {
    get { self[Int(index)] }
    nonmutating set { self[Int(index)] = newValue }
  }
}
