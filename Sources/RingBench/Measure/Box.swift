/// A place on the heap for a queue end, so that the two threads of a contender can each keep theirs between slices.
final class Box<Value: ~Copyable> {
  var value: Value

  init(_ value: consuming Value) { self.value = value }
}
