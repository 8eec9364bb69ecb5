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
