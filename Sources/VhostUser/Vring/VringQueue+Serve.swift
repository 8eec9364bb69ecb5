public import RingKit

extension VringQueue {
  /// Takes up to `limit` buffers, has each served on the spot, and completes them: the least cost per buffer.
  ///
  /// - Parameters:
  ///   - limit: buffers to take at most.
  ///   - body: serves one buffer, which is completed when this returns, with as many bytes as were written. What it
  ///     throws ends the call: the buffers before are completed, this one counts as fetched only.
  /// - Returns: ``VringProgress/empty`` when there were fewer buffers than `limit`, otherwise ``VringProgress/more``.
  /// - Throws: ``VringFailure``, for ``VhostUserDevice/serve(_:index:limit:)`` to pass on.
  @inlinable @inline(__always)
  public mutating func serve(
    atMost limit: Int, _ body: (inout VringBuffer) throws(VringFailure) -> Void
  ) throws(VringFailure) -> VringProgress {
    do throws(ServeError<VringFailure>) {
      let served =
        isPacked
        ? try serveEach(PackedVring.self, atMost: limit, body) : try serveEach(SplitVring.self, atMost: limit, body)
      return served < limit ? .empty : .more
    } catch { throw error.failure }
  }

  /// ``serve(atMost:_:)`` of the layout that the ring has, with a body that may end the call for a reason of its own;
  /// returns how many were served.
  ///
  /// A device for which each instruction per buffer counts calls it in a function for each layout: in one for both the
  /// compiler does not inline the second.
  @inlinable @inline(__always)
  mutating func serveEach<Layout: VringLayout, Failure: Error>(
    _ layout: Layout.Type, atMost limit: Int, _ body: (inout VringBuffer) throws(Failure) -> Void
  ) throws(ServeError<Failure>) -> Int {
    if isCareful || isResuming || inFlightCount != 0 { return try serveCarefully(atMost: limit, body) }
    var completed: UInt64 = 0
    // The one whose body threw.
    var failed: DeviceChain?
    defer {
      fetches &+= completed
      completions &+= completed
      if let failed {
        fetches &+= 1
        note(fetched: failed)
      }
    }
    return try Layout.serve(&self, atMost: limit) { chain, segments throws(Failure) in
      try Self.serveOne(chain, segments.table, &completed, &failed, body)
    }
  }

  @inlinable @inline(__always)
  static func serveOne<Failure: Error>(
    _ chain: DeviceChain, _ segments: Span<TranslatedSegment>, _ completed: inout UInt64,
    _ failed: inout DeviceChain?, _ body: (inout VringBuffer) throws(Failure) -> Void
  ) throws(Failure) -> UInt32 {
    var buffer = VringBuffer(chain, segments)
    do throws(Failure) { try body(&buffer) } catch {
      failed = chain
      throw error
    }
    completed &+= 1
    return UInt32(clamping: buffer.writtenCount)
  }

  /// The same one by one, for a queue whose buffers are noted in memory, or that has others in flight.
  @inlinable
  mutating func serveCarefully<Failure: Error>(
    atMost limit: Int, _ body: (inout VringBuffer) throws(Failure) -> Void
  ) throws(ServeError<Failure>) -> Int {
    for count in 0..<limit {
      let chain: DeviceChain
      do throws(QueueError) {
        guard let next = try next() else { return count }
        chain = next
      } catch { throw .queue(error) }
      let written: Int
      do throws(Failure) {
        var buffer = VringBuffer(chain, segments)
        try body(&buffer)
        written = buffer.writtenCount
      } catch { throw .body(error) }
      complete(chain, written: UInt32(clamping: written))
    }
    return limit
  }

  @inlinable
  var inFlightCount: Int {
    mutating get { packed?.lent { $0.inFlightCount } ?? split?.lent { $0.inFlightCount } ?? 0 }
  }
}

extension DeviceQueue where Self: ~Copyable {
  /// Looks at a queue where it is: for `queue?.position` an optional one is copied.
  @inlinable @inline(__always)
  mutating func lent<Value>(_ look: (inout Self) -> Value) -> Value { look(&self) }
}

/// The queue of one layout within a ``VringQueue``.
@usableFromInline
protocol VringLayout {
  /// Has up to `limit` buffers served; the ring has this layout.
  static func serve<Failure: Error>(
    _ queue: inout VringQueue, atMost limit: Int,
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int
}

@usableFromInline
enum SplitVring: VringLayout {
  @inlinable @inline(__always)
  static func serve<Failure: Error>(
    _ queue: inout VringQueue, atMost limit: Int,
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int { try queue.split?.serve(atMost: limit, body) ?? 0 }
}

@usableFromInline
enum PackedVring: VringLayout {
  @inlinable @inline(__always)
  static func serve<Failure: Error>(
    _ queue: inout VringQueue, atMost limit: Int,
    _ body: (DeviceChain, borrowing ChainSegments) throws(Failure) -> UInt32
  ) throws(ServeError<Failure>) -> Int { try queue.packed?.serve(atMost: limit, body) ?? 0 }
}

extension ServeError<VringFailure> {
  /// Why the queue stops.
  @inlinable var failure: VringFailure {
    switch self {
    case .queue(let failure): .queue(failure)
    case .body(let failure): failure
    }
  }
}
