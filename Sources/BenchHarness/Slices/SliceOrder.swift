/// In what order those that are compared take their turns.
///
/// Whoever ran before leaves the caches to who comes next. Balanced for that: within as many rounds as there are contenders,
/// or twice as many where their number is odd, each is first equally often, and each comes directly behind each of the
/// others equally often (E. J. Williams, "Experimental designs balanced for the estimation of residual effects of
/// treatments", Australian Journal of Scientific Research A2, 1949). Taking turns in a circle would always put the same
/// one behind the same.
package enum SliceOrder {
  /// The order of `count` contenders in a round: numbers below `count`, each once.
  package static func of(_ count: Int, round: Int) -> [Int] {
    // 0, 1, n - 1, 2, n - 2 …: from place to place every difference once.
    let order = (0..<count).map { place in
      let step = place % 2 == 1 ? (place + 1) / 2 : count - place / 2
      return (step + round) % count
    }
    return count % 2 == 1 && round / count % 2 == 1 ? order.reversed() : order
  }
}
