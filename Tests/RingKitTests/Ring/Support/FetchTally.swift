/// What became of fetches; written by one thread, read when it has ended.
final class FetchTally: @unchecked Sendable {
  var fetched = 0
  var refused = 0
  var wrong = 0
}
