internal import RingKit

/// One vring of a connection: what the front-end said of it, and the queue while it runs.
final class Vring {
  let index: Int
  var size: Int?
  var address: VringAddress?
  /// Where processing goes on; `nil`: where a new ring begins.
  var base: UInt32?
  var kick: EventDoorbell?
  var call: EventDoorbell?
  var error: EventDoorbell?
  /// A kick was set, perhaps with the word that there is none to wait for.
  var isStarted = false
  var isEnabled = false

  /// The queue, while the vring is started, enabled and can be reached.
  var queue: VringQueue?
  /// Addresses of the running queue's parts and their sizes, in the front-end's terms.
  var parts: [(address: UInt64, byteCount: Int)] = []
  /// Whether there may be something to do without a kick.
  var needsService = false
  /// A translation is waited for, and how often in a row it was the same one.
  var waiting: TranslationMiss?
  var stuck: (miss: TranslationMiss, tries: Int)?
  /// Why nothing is done until the front-end stops it.
  var failure: VringFailure?
  /// What queues did that are gone.
  var pastCounts = WorkCounts()
  var pastCompleted: UInt64 = 0

  init(index: Int) { self.index = index }

  var isRunning: Bool { queue != nil }

  /// Whether the queue can be made as far as the front-end has spoken.
  var isReady: Bool { isStarted && isEnabled && failure == nil && waiting == nil }

  /// Whether it is looked at without a kick.
  var isPolled: Bool { isRunning && kick == nil && failure == nil && waiting == nil }

  /// Takes the queue away and keeps where it stood; what was in flight is fetched again by the next one.
  func suspend() {
    guard var queue = queue.take() else { return }
    queue.publish()
    base = UInt32(queue.position) | (queue.isPacked ? UInt32(queue.position) << 16 : 0)
    pastCounts = pastCounts + queue.counts
    pastCompleted += queue.completedCount
    parts = []
  }

  /// Ends processing, as GET_VRING_BASE asks.
  func stop() {
    if failure == nil && waiting == nil { queue?.retire() }
    suspend()
    (kick, call, error) = (nil, nil, nil)
    (isStarted, needsService) = (false, false)
    (waiting, stuck, failure) = (nil, nil, nil)
  }
}
