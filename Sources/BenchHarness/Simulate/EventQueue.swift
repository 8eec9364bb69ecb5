/// Events in the order of their times; those of one time in the order they were added.
package struct EventQueue<Payload> {
  private struct Entry {
    let time: Double
    let number: UInt64
    let payload: Payload

    func isBefore(_ other: Entry) -> Bool { time < other.time || time == other.time && number < other.number }
  }

  private var heap: [Entry] = []
  private var added: UInt64 = 0

  package mutating func add(_ payload: Payload, at time: Double) {
    heap.append(Entry(time: time, number: added, payload: payload))
    added += 1
    var child = heap.count - 1
    while child > 0, case let parent = (child - 1) / 2, heap[child].isBefore(heap[parent]) {
      heap.swapAt(child, parent)
      child = parent
    }
  }

  package mutating func next() -> (time: Double, payload: Payload)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink()
    }
    return (first.time, first.payload)
  }

  private mutating func sink() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].isBefore(heap[least]) {
        least = child
      }
      if least == parent { return }
      heap.swapAt(least, parent)
      parent = least
    }
  }
}
