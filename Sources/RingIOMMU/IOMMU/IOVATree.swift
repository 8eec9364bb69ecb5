/// The IOVA ranges in use, ordered, with a search from the top for the highest gap that fits.
///
/// Linux's red-black tree (drivers/iommu/iova.c) in another balanced form: a treap, whose nodes also know their
/// neighbours, so that the walk down costs a load per range. As there, the search begins at a cached node, the range
/// handed out last or the one above the range freed last, is linear in the worst case, and begins again from the top
/// before it gives up. Guarded by the allocator's tree lock.
@safe
struct IOVATree: ~Copyable {
  struct Node {
    // First and last page.
    var low: UInt64
    var high: UInt64
    var left = IOVATree.none
    var right = IOVATree.none
    var parent = IOVATree.none
    var below = IOVATree.none
    var above = IOVATree.none
    var priority: UInt32
  }

  static let none: Int32 = -1
  // The range above everything: the limit. It is never removed and gives the search a start.
  static let anchor: Int32 = 0

  // Reallocated as it grows; links are indices for that reason.
  var nodes: UnsafeMutablePointer<Node>
  private var capacity: Int32 = 64
  private var used: Int32 = 1
  // Nodes given back, linked by `left`.
  private var spare = IOVATree.none
  var root = IOVATree.anchor
  private var cached = IOVATree.anchor
  private var seed: UInt32 = 0x9e37_79b9
  private let limit: UInt64
  /// Ranges in use, cached ones included.
  private(set) var count = 0

  /// A tree in which pages 1 to `limit - 1` are free.
  init(limit: UInt64) {
    self.limit = limit
    unsafe nodes = UnsafeMutablePointer<Node>.allocate(capacity: Int(capacity))
    unsafe nodes.initialize(to: Node(low: limit, high: .max, priority: .max))
  }

  deinit { unsafe nodes.deallocate() }

  /// Takes the highest free run of `size` pages that starts at a multiple of `alignment` (a power of two).
  ///
  /// - Returns: its first page, or `nil` when there is no such run.
  mutating func allocate(size: UInt64, alignment: UInt64) -> UInt64? {
    let start = cached
    if let page = search(from: start, high: limit, lowest: 1, size, alignment) { return page }
    // Only what lies above the cached node has not been looked at.
    let top = unsafe nodes[Int(start)].high
    guard start != Self.anchor, top < limit else { return nil }
    return search(from: Self.anchor, high: limit, lowest: top &+ 1, size, alignment)
  }

  private mutating func search(
    from start: Int32, high: UInt64, lowest: UInt64, _ size: UInt64, _ alignment: UInt64
  ) -> UInt64? {
    var high = high
    var above = start
    while true {
      // SAFETY: the links of a node in the tree lead to nodes in the tree.
      high = min(high, unsafe nodes[Int(above)].low)
      guard high >= size else { return nil }
      let page = (high &- size) & ~(alignment &- 1)
      guard page >= lowest else { return nil }
      let below = unsafe nodes[Int(above)].below
      if below == Self.none || page > (unsafe nodes[Int(below)].high) {
        cached = insert(page, page &+ size &- 1, below: above)
        return page
      }
      above = below
    }
  }

  /// Takes one range, where nothing is in use yet.
  ///
  /// - Returns: whether it was free.
  mutating func reserve(_ page: UInt64, size: UInt64) -> Bool {
    let (end, overflow) = page.addingReportingOverflow(size)
    guard page > 0, size > 0, !overflow, end <= limit else { return false }
    var at = root
    // The lowest range that starts above; the anchor does.
    var above = Self.anchor
    while at != Self.none {
      // SAFETY: as in `search`.
      if unsafe nodes[Int(at)].low > page {
        above = at
        at = unsafe nodes[Int(at)].left
      } else {
        at = unsafe nodes[Int(at)].right
      }
    }
    let below = unsafe nodes[Int(above)].below
    guard unsafe nodes[Int(above)].low >= end else { return false }
    guard below == Self.none || page > (unsafe nodes[Int(below)].high) else { return false }
    _ = insert(page, end - 1, below: above)
    return true
  }

  /// Gives the range back that starts at `page`.
  ///
  /// - Returns: false when no range starts there.
  mutating func free(_ page: UInt64) -> Bool {
    var at = root
    while at != Self.none {
      // SAFETY: as in `search`.
      let low = unsafe nodes[Int(at)].low
      if low == page { break }
      at = page < low ? (unsafe nodes[Int(at)].left) : (unsafe nodes[Int(at)].right)
    }
    guard at != Self.none, at != Self.anchor else { return false }
    // The next search must not miss the gap this opens.
    if page >= (unsafe nodes[Int(cached)].low) { cached = unsafe nodes[Int(at)].above }
    remove(at)
    unsafe nodes[Int(at)].left = spare
    spare = at
    count -= 1
    return true
  }

  private mutating func insert(_ low: UInt64, _ high: UInt64, below above: Int32) -> Int32 {
    let node = take()
    seed ^= seed << 13
    seed ^= seed >> 17
    seed ^= seed << 5
    // The anchor alone has the highest priority, and stays the root.
    unsafe nodes[Int(node)] = Node(low: low, high: high, priority: min(seed, .max - 1))
    link(node, below: above)
    count += 1
    return node
  }

  private mutating func take() -> Int32 {
    if spare != Self.none {
      let node = spare
      spare = unsafe nodes[Int(node)].left
      return node
    }
    if used == capacity {
      let grown = UnsafeMutablePointer<Node>.allocate(capacity: Int(capacity) * 2)
      unsafe grown.moveInitialize(from: nodes, count: Int(capacity))
      unsafe nodes.deallocate()
      unsafe nodes = unsafe grown
      capacity *= 2
    }
    unsafe (nodes + Int(used)).initialize(to: Node(low: 0, high: 0, priority: 0))
    used += 1
    return used - 1
  }
}

extension IOVATree {
  /// Puts a node directly below another in order: where the order wants it there is always a free child.
  mutating func link(_ node: Int32, below above: Int32) {
    // SAFETY: here and below, every index but `none` is that of a node in the tree, and `none` is never dereferenced.
    let below = unsafe nodes[Int(above)].below
    unsafe nodes[Int(node)].above = above
    unsafe nodes[Int(node)].below = below
    unsafe nodes[Int(above)].below = node
    if below != Self.none { unsafe nodes[Int(below)].above = node }
    if (unsafe nodes[Int(above)].left) == Self.none {
      unsafe nodes[Int(above)].left = node
      unsafe nodes[Int(node)].parent = above
    } else {
      // With a left subtree, the node below is the last of that subtree and has no right child.
      unsafe nodes[Int(below)].right = node
      unsafe nodes[Int(node)].parent = below
    }
    while case let parent = unsafe nodes[Int(node)].parent, parent != Self.none,
      (unsafe nodes[Int(parent)].priority) < (unsafe nodes[Int(node)].priority)
    {
      rotateUp(node)
    }
  }

  /// Takes a node out: it sinks below its children until it has none.
  mutating func remove(_ node: Int32) {
    while true {
      let left = unsafe nodes[Int(node)].left
      let right = unsafe nodes[Int(node)].right
      if left == Self.none && right == Self.none { break }
      if left == Self.none {
        rotateUp(right)
      } else if right == Self.none {
        rotateUp(left)
      } else {
        rotateUp((unsafe nodes[Int(left)].priority) > (unsafe nodes[Int(right)].priority) ? left : right)
      }
    }
    replaceChild(of: unsafe nodes[Int(node)].parent, node, with: Self.none)
    let below = unsafe nodes[Int(node)].below
    let above = unsafe nodes[Int(node)].above
    if below != Self.none { unsafe nodes[Int(below)].above = above }
    if above != Self.none { unsafe nodes[Int(above)].below = below }
  }

  private mutating func rotateUp(_ node: Int32) {
    let parent = unsafe nodes[Int(node)].parent
    let grandparent = unsafe nodes[Int(parent)].parent
    let inner: Int32
    if (unsafe nodes[Int(parent)].left) == node {
      inner = unsafe nodes[Int(node)].right
      unsafe nodes[Int(parent)].left = inner
      unsafe nodes[Int(node)].right = parent
    } else {
      inner = unsafe nodes[Int(node)].left
      unsafe nodes[Int(parent)].right = inner
      unsafe nodes[Int(node)].left = parent
    }
    if inner != Self.none { unsafe nodes[Int(inner)].parent = parent }
    unsafe nodes[Int(parent)].parent = node
    unsafe nodes[Int(node)].parent = grandparent
    replaceChild(of: grandparent, parent, with: node)
  }

  private mutating func replaceChild(of parent: Int32, _ old: Int32, with new: Int32) {
    if parent == Self.none {
      root = new
    } else if (unsafe nodes[Int(parent)].left) == old {
      unsafe nodes[Int(parent)].left = new
    } else if (unsafe nodes[Int(parent)].right) == old {
      unsafe nodes[Int(parent)].right = new
    }
  }
}
