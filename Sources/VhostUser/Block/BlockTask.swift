internal import RingKit

/// A request while it is done: in parts, so that no request keeps the other queues or the front-end waiting.
struct BlockTask {
  /// What is left of it.
  enum Work {
    case read(ChainCursor, at: UInt64)
    case write(ChainCursor, at: UInt64)
    case discard([BlockRange])
    case clear([BlockRange])
    case flush
    /// Zeros in front of the status, where nothing may be left that looks like data.
    case wipe(ChainCursor)
    case nothing
  }

  let chain: DeviceChain
  var work = Work.nothing
  private(set) var reply = BlockReply.done

  /// Writable bytes in front of the status.
  var room: Int { Int(chain.writableByteCount) - 1 }

  init(_ chain: DeviceChain) { self.chain = chain }

  var isDone: Bool { if case .nothing = work { true } else { false } }

  /// Whether it changes the image.
  private(set) var isChanging = false

  /// What there is to do for it.
  mutating func begin(_ work: Work) {
    self.work = work
    switch work {
    case .write, .discard, .clear: isChanging = true
    default: break
    }
  }

  /// Ends it without success.
  mutating func fail(_ reply: BlockReply) {
    self.reply = reply
    wipe(from: answer)
  }

  /// What may be written in front of the status.
  var answer: ChainCursor {
    var cursor = ChainCursor(chain, .deviceWritable)
    cursor.shorten(by: 1)
    return cursor
  }

  /// What comes behind the work itself: what is left of the answer.
  mutating func wipe(from cursor: ChainCursor) { work = cursor.remaining > 0 ? .wipe(cursor) : .nothing }
}

/// A request that goes on in a later call, with its segments: the queue's own are those of another chain by then.
struct HeldTask {
  let task: BlockTask
  let segments: [TranslatedSegment]
}

/// Bytes of the image that are discarded or zeroed.
struct BlockRange {
  var offset: UInt64
  var byteCount: UInt64
  let mayUnmap: Bool
}

/// A request that is done, until its status is written and its buffer completed.
struct FinishedRequest: BitwiseCopyable {
  let chain: DeviceChain
  let reply: BlockReply
  let isChanging: Bool
  /// The last writable byte.
  let status: HostAddress

  init(_ task: BlockTask, _ segments: Span<TranslatedSegment>) {
    chain = task.chain
    reply = task.reply
    isChanging = task.isChanging
    // A chain with a writable byte ends with a writable segment, and none is empty.
    let last = segments[segments.count - 1]
    status = unsafe last.host.advanced(by: last.byteCount - 1)
  }
}

/// What one call of ``BlockDevice/serve(_:index:limit:)`` may take.
struct StepBudget {
  private var bytes: Int
  private let clock: WaitClock
  private let end: UInt64

  init(bytes: Int, nanoseconds: UInt64, clock: WaitClock) {
    self.bytes = bytes
    self.clock = clock
    end = Deadline.after(clock.now(), nanoseconds: nanoseconds)
  }

  var isSpent: Bool { bytes <= 0 || clock.now() >= end }

  /// Bytes that one system call moves at most.
  var part: Int { min(max(bytes, 0), 1 << 20) }

  mutating func spend(_ count: Int) { bytes -= count }
}
