/// Plain values in the order they came, mostly taken out in that order: memory of its own, so that nothing is
/// allocated, counted or checked for one of them.
@safe
struct PlainList<Element: BitwiseCopyable>: ~Copyable {
  /// A power of two of elements, the oldest at `head`; none before the first.
  private var base: UnsafeMutablePointer<Element>?
  private var mask = -1
  private var head = 0
  private(set) var count = 0

  /// An empty one, without memory.
  init() { unsafe base = nil }

  deinit { unsafe base?.deallocate() }

  /// The element at an index, 0 up to `count`.
  subscript(index: Int) -> Element {
    get { unsafe slot(index).pointee }
    set { unsafe slot(index).pointee = newValue }
  }

  private func slot(_ index: Int) -> UnsafeMutablePointer<Element> {
    guard index >= 0, index < count, let base = unsafe base else {
      preconditionFailure("no element \(index) of \(count)")
    }
    return unsafe base + ((head &+ index) & mask)
  }

  mutating func append(_ element: Element) {
    if count > mask { grow() }
    count &+= 1
    unsafe slot(count &- 1).initialize(to: element)
  }

  mutating func remove(at index: Int) {
    for i in stride(from: index, to: 0, by: -1) { self[i] = self[i - 1] }
    precondition(count > 0, "nothing can be removed from an empty list")
    head = (head &+ 1) & mask
    count &-= 1
  }

  /// Keeps the memory.
  mutating func removeAll() { (head, count) = (0, 0) }

  @inline(never)
  private mutating func grow() {
    let capacity = max(16, 2 * count)
    let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
    for i in 0..<count { unsafe (larger + i).initialize(to: self[i]) }
    unsafe base?.deallocate()
    unsafe base = larger
    (mask, head) = (capacity - 1, 0)
  }
}
