import CRing
import Glibc
import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite("A VMM that answers wrongly, late or not at all")
struct ViommuClientTests {
  /// A client, and a server that takes one request and sends what the body makes of it; `nil`: hangs up.
  private func ask(
    _ kind: ViommuRequest.Kind, timeout: UInt64 = 60_000_000_000,
    _ reply: @escaping @Sendable (ViommuRequest, ViommuSocket) -> Void, whenDone: () -> Void = {}
  ) throws -> (failure: ViommuFailure?, isClosed: Bool) {
    let (mine, other) = try ViommuSocket.pair()
    let client = try ViommuClient(mine, timeout: timeout)
    let server = TestThread {
      var words = InlineArray<6, UInt64>(repeating: 0)
      let (error, byteCount) = other.receive(&words)
      guard error == 0, byteCount == 48, let request = ViommuRequest(words) else {
        Issue.record("the client's request is none")
        return
      }
      reply(request, other)
    }
    defer {
      whenDone()
      server.join()
    }
    do throws(ViommuFailure) {
      switch kind {
      case .map: try client.mapped(IOVA(0x5000), to: GuestPhysicalAddress(0x9000), pages: 2, .deviceWritable)
      case .unmap: try client.unmapped(IOVA(0x5000), pages: 2)
      case .translate: _ = try client.translation(ofPage: 5)
      }
      return (nil, client.isClosed)
    } catch {
      if client.isClosed {
        #expect(throws: ViommuFailure.closed) { try client.unmapped(IOVA(0x5000), pages: 1) }
      }
      return (error, client.isClosed)
    }
  }

  private static let kinds: [ViommuRequest.Kind] = [.map, .unmap, .translate]

  @Test("what a request says is what was asked")
  func requests() throws {
    for kind in Self.kinds {
      let result = try ask(kind) { request, socket in
        var expected = ViommuRequest(kind, page: 5, pages: kind == .translate ? 1 : 2)
        expected.sequence = 1
        if kind == .map { (expected.target, expected.permissions) = (9, 2) }
        #expect(request == expected)
        _ = socket.send(ViommuReply(.done, to: 1, target: 0x1000, bits: 0x101).words)
      }
      // Only a translation leads somewhere.
      #expect(result.failure == (kind == .translate ? nil : .wrongAnswer(bits: 0x101, target: 0x1000)))
    }
  }

  @Test("a refusal leaves the connection as it is", arguments: ViommuStatus.allCases.filter { $0 != .done })
  func refusal(status: ViommuStatus) throws {
    for kind in Self.kinds {
      let result = try ask(kind) { request, socket in
        _ = socket.send(ViommuReply(status, to: request.sequence).words)
      }
      #expect(result.failure == .refused(status) && !result.isClosed)
    }
  }

  @Test("a reply of another length, header or sequence number ends the connection")
  func framing() throws {
    for kind in Self.kinds {
      let good = ViommuReply(.done, to: 1).words
      let short = try ask(kind) { _, socket in _ = socket.send(good[0]) }
      #expect(short.failure == .wrongLength(byteCount: 8) && short.isClosed)
      let long = try ask(kind) { _, socket in _ = socket.send((good, UInt64(0))) }
      #expect(long.failure == .wrongLength(byteCount: 40) && long.isClosed)
      for flip in [1, 1 << 32, 0xff << 48] as [UInt64] {
        let header = try ask(kind) { _, socket in
          var words = good
          words[0] ^= flip
          _ = socket.send(words)
        }
        #expect(header.failure == .wrongHeader(good[0] ^ flip) && header.isClosed)
      }
      let late = try ask(kind) { _, socket in _ = socket.send(ViommuReply(.done, to: 7).words) }
      #expect(late.failure == .wrongSequence(expected: 1, found: 7) && late.isClosed)
    }
  }

  @Test(
    "a translation that no page table can hold is not taken",
    arguments: [
      (0x1001, 0x101), (0x1000, 0x100), (0x1000, 0x104), (0x1000, 0x001), (0x1000, 0x401), (0x1000, 0x201),
      (1 << 52, 0x101), (0x20_0000, 0x301), (0x1000, 0x1_0101), (.max, .max),
    ] as [(UInt64, UInt64)])
  func leaves(target: UInt64, bits: UInt64) throws {
    let result = try ask(.translate) { _, socket in
      _ = socket.send(ViommuReply(.done, to: 1, target: target, bits: bits).words)
    }
    #expect(result.failure == .wrongAnswer(bits: bits, target: target) && result.isClosed)
    let no = try ask(.translate) { _, socket in
      _ = socket.send(ViommuReply(.notMapped, to: 1, target: target, bits: bits).words)
    }
    #expect(no.failure == .wrongAnswer(bits: bits, target: target), "a no leads nowhere")
  }

  @Test("a VMM that dies is not waited for")
  func death() throws {
    for kind in Self.kinds {
      let result = try ask(kind) { _, socket in socket.close() }
      #expect(result.failure == .closed && result.isClosed)
    }
    // Before the request.
    let (mine, other) = try ViommuSocket.pair()
    let client = try ViommuClient(mine)
    other.close()
    #expect(throws: ViommuFailure.closed) { try client.unmapped(IOVA(0x1000), pages: 1) }
    #expect(client.isClosed)
  }

  @Test("a VMM that is silent is given up")
  func silence() throws {
    for kind in Self.kinds {
      let result = try ask(kind, timeout: 2_000_000) { _, socket in
        // Until the client hangs up.
        var nothing: UInt64 = 0
        _ = socket.receive(&nothing)
      }
      #expect(result.failure == .timedOut(nanoseconds: 2_000_000) && result.isClosed)
    }
  }

  @Test("a VMM that is silent is waited for no longer by one that is told to end")
  func givenUp() throws {
    let (mine, other) = try ViommuSocket.pair()
    let client = try ViommuClient(mine, timeout: .max)
    client.isOver = { true }
    #expect(throws: ViommuFailure.system(errno: EINTR)) { try client.unmapped(IOVA(0x1000), pages: 1) }
    #expect(client.isClosed)
    withExtendedLifetime(other) {}
  }

  @Test("what is no socket is refused when the client is made")
  func noSocket() {
    #expect(throws: ViommuFailure.self) { _ = try ViommuClient(ViommuSocket(attaching: -1)) }
  }

  /// To the kernel no time means for ever.
  @Test("a time-out of nothing is the shortest there is")
  func noTime() throws {
    let hasEnded = StopFlag()
    let result = try ask(.unmap, timeout: 0) { _, socket in
      // Ends the wait where it has no end of its own.
      let end = cring_nanoseconds() + 2_000_000_000
      while !hasEnded.isRaised, cring_nanoseconds() < end { cring_spin_hint() }
      socket.close()
    } whenDone: {
      hasEnded.raise()
    }
    #expect(result.failure == .timedOut(nanoseconds: 0) && result.isClosed)
  }
}
