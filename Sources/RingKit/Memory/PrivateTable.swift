internal import CRing

/// A fixed array of plain values in this side's own memory, aligned to two cache lines.
///
/// What a queue remembers lives here and nowhere else: no line of it is ever shared with the other side. Subscripting
/// checks indices in debug builds only; release builds rest on the checks where an index enters: an id out of the ring
/// is held against the queue's size (`usedEntry`, `usedDescriptor` and the loops that stand for them), a saved state
/// against the queue that is made of it (`QueueState.admit`), a chain's segments against the table (`ChainBuilder`).
/// Owned by one thread.
@frozen @safe
@usableFromInline
package struct PrivateTable<Element: BitwiseCopyable>: ~Copyable {
  @usableFromInline package let base: UnsafeMutablePointer<Element>
  @usableFromInline package let count: Int

  @usableFromInline
  package init(count: Int, repeating value: Element) {
    var block: UnsafeMutableRawPointer?
    let bytes = max(count, 1) * MemoryLayout<Element>.stride
    let error = unsafe cring_allocate_aligned(bytes, Int(CRING_ISOLATION_BYTES), &block)
    guard error == 0, let block = unsafe block else {
      preconditionFailure("no memory for a table of \(bytes) bytes (\(SystemError.text(error)))")
    }
    // A zero-sized element still gets a byte, so that the pointer is never null.
    unsafe base = unsafe block.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
    unsafe base.initialize(repeating: value, count: count)
  }

  // Inlinable, or the 6.3 optimiser stops at an inlinable setter of a property that holds a table.
  @inlinable
  deinit { unsafe Self.free(base) }

  /// A copy of where the cells are, for a loop.
  @inlinable @inline(__always)
  var cells: PrivateCells<Element> { unsafe PrivateCells(base: base, count: count) }

  @usableFromInline
  static func free(_ base: UnsafeMutablePointer<Element>) { unsafe cring_free_aligned(base) }

  // Assign through it plainly, never with `|=` or its like: instrumenting that for the thread sanitizer aborts the
  // compiler (6.3), because a nonmutating setter leaves it a value where it wants an address.
  @inlinable
  package subscript(index: Int) -> Element {
    @inline(__always) get {
      assert(index >= 0 && index < count)
      return unsafe base[index]
    }
    @inline(__always) nonmutating set {
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

/// The cells of a ``PrivateTable``, copied out for a loop.
///
/// A loop that stores through pointers makes the compiler read a queue's own fields anew at each turn, because any
/// store might have changed them; what a local holds stays in a register. Not to be kept: valid while the table lives.
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
