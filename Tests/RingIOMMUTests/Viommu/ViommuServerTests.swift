import CRing
import RingKit
import RingKitTesting
import Synchronization
import Testing

@testable import RingIOMMU

@Suite("The VMM's side of viommu")
struct ViommuServerTests {
  private func request(
    _ kind: ViommuRequest.Kind, _ page: UInt64, _ pages: UInt64 = 1, target: UInt64 = 0, permissions: UInt64 = 0
  ) -> ViommuRequest {
    ViommuRequest(kind, page: page, pages: pages, target: target, permissions: permissions)
  }

  @Test("answers every request as a dictionary of pages would", arguments: [false, true])
  func model(usesLargePages: Bool) {
    let server = ViommuServer(usesLargePages: usesLargePages)
    var random = SeededGenerator(for: "viommu server, \(usesLargePages)")
    var model: [UInt64: (target: UInt64, permissions: UInt64)] = [:]
    var ranges: [(page: UInt64, pages: UInt64)] = []
    for turn in 0..<20_000 as Range<UInt64> {
      switch random.next() % 4 {
      case 0:
        // Now and then a whole 2 MiB page, which may become one leaf.
        let isLarge = random.next() % 16 == 0
        let pages = isLarge ? 512 : random.next() % 8 + 1
        let page = isLarge ? random.next() % 8 * 512 : random.next() % 4096
        let target = isLarge ? random.next() % 64 * 512 : random.next() % 100_000
        let permissions = random.next() % 3 + 1
        let isFree = (page..<page + pages).allSatisfy { model[$0] == nil }
        let reply = server.answer(
          to: request(.map, page, pages, target: target, permissions: permissions), from: .driver)
        #expect(reply.status == (isFree ? .done : .alreadyMapped), "turn \(turn)")
        guard isFree else { continue }
        for i in 0..<pages { model[page + i] = (target + i, permissions) }
        ranges.append((page, pages))
      case 1:
        guard !ranges.isEmpty else { continue }
        let range = ranges.remove(at: Int(random.next() % UInt64(ranges.count)))
        #expect(server.answer(to: request(.unmap, range.page, range.pages), from: .driver).status == .done)
        for page in range.page..<range.page + range.pages { model[page] = nil }
      default:
        let page = random.next() % 5000
        let reply = server.answer(to: request(.translate, page), from: .device)
        guard let expected = model[page] else {
          #expect(reply.status == .notMapped)
          continue
        }
        #expect(reply.status == .done && reply.permissions == expected.permissions && reply.answers(.translate))
        let within = page & (PageTable.span(reply.level) - 1)
        #expect(reply.target >> 12 + within == expected.target)
        #expect(usesLargePages || reply.level == 1)
      }
    }
  }

  @Test("a field that cannot be is refused by what is wrong with it, and nothing changes")
  func fields() {
    let server = ViommuServer(maximumTablePages: 4)
    let good = request(.map, 5, 2, target: 9, permissions: 1)
    #expect(server.answer(to: good, from: .driver).status == .done)
    let limit: UInt64 = 1 << 36
    for bad in [
      request(.map, 10, 0, permissions: 1), request(.map, limit, permissions: 1),
      request(.map, limit - 1, 2, permissions: 1), request(.map, 10, .max, permissions: 1), request(.map, 10),
      request(.map, 10, permissions: 4), request(.map, 10, target: 1 << 40, permissions: 1),
      request(.map, 10, 2, target: 1 << 40 - 1, permissions: 1), request(.map, 10, target: .max, permissions: 1),
      request(.unmap, 5, 2, target: 1), request(.unmap, 5, 2, permissions: 1), request(.unmap, 5, 0),
    ] {
      #expect(server.answer(to: bad, from: .driver).status == .badRequest, "\(bad)")
    }
    for bad in [request(.translate, 5, 2), request(.translate, limit), request(.translate, 5, target: 1)] {
      #expect(server.answer(to: bad, from: .device).status == .badRequest, "\(bad)")
    }
    #expect(server.answer(to: request(.map, 6, 3, target: 1, permissions: 2), from: .driver).status == .alreadyMapped)
    #expect(server.answer(to: request(.unmap, 7), from: .driver).status == .notMapped)
    let far = request(.map, 1 << 30, target: 1, permissions: 1)
    #expect(server.answer(to: far, from: .driver).status == .exhausted)
    #expect(server.answer(to: request(.translate, 5), from: .device).target == 9 << 12)
    #expect(server.answer(to: request(.translate, 6), from: .device).target == 10 << 12)
  }

  @Test("a device asks and does not map, a driver maps and does not ask")
  func roles() {
    let server = ViommuServer()
    let map = request(.map, 5, permissions: 3)
    #expect(server.answer(to: map, from: .device).status == .notAllowed)
    #expect(server.answer(to: map, from: .driver).status == .done)
    #expect(server.answer(to: request(.unmap, 5), from: .device).status == .notAllowed)
    #expect(server.answer(to: request(.translate, 5), from: .driver).status == .notAllowed)
    #expect(server.answer(to: request(.translate, 5), from: .device).status == .done)
  }

  @Test("a message of another length or header ends its connection and no other", arguments: 0..<6)
  func malformed(what: Int) throws {
    let (bad, served) = try ViommuSocket.pair()
    let (good, asked) = try ViommuSocket.pair()
    let server = ViommuServer()
    let ends = Ends()
    let thread = TestThread { ends.value = server.serve([(served, .driver), (asked, .device)]) }
    var words = request(.map, 1, permissions: 1).words
    let expected: ViommuServerEnd
    switch what {
    case 0:
      #expect(bad.send(words[0]) == 0)
      expected = .malformed(byteCount: 8, firstWord: words[0])
    case 1:
      #expect(bad.send((words, UInt64(0))) == 0)
      expected = .malformed(byteCount: 56, firstWord: words[0])
    case 2:
      words[0] ^= 1
      #expect(bad.send(words) == 0)
      expected = .malformed(byteCount: 48, firstWord: words[0])
    case 3:
      words[0] ^= 1 << 32
      #expect(bad.send(words) == 0)
      expected = .malformed(byteCount: 48, firstWord: words[0])
    case 4:
      words[0] |= 0xff << 48
      #expect(bad.send(words) == 0)
      expected = .malformed(byteCount: 48, firstWord: words[0])
    default:
      #expect(bad.send(InlineArray<512, UInt64>(repeating: 7)) == 0)
      expected = .malformed(byteCount: 4096, firstWord: 7)
    }
    // Its own end is told by the connection's.
    var answer = InlineArray<4, UInt64>(repeating: 0)
    let (error, byteCount) = bad.receive(&answer)
    #expect(error == 0 && byteCount == 0)
    do {
      let client = try ViommuClient(good)
      #expect(throws: ViommuFailure.refused(.notMapped)) { _ = try client.translation(ofPage: 1) }
      #expect(!client.isClosed)
    }
    thread.join()
    #expect(ends.value == [expected, .closed])
  }

  private final class Ends: @unchecked Sendable { var value: [ViommuServerEnd] = [] }
}

extension ViommuServerTests {
  @Test("a device that asks and does not read is left, and the driver is served all the while")
  func unread() throws {
    let (driver, servedDriver) = try ViommuSocket.pair()
    let (device, servedDevice) = try ViommuSocket.pair()
    let ends = Mutex<[ViommuServerEnd]>([])
    let thread = TestThread {
      let found = ViommuServer().serve([(servedDevice, .device), (servedDriver, .driver)])
      ends.withLock { $0 = found }
    }
    let client = try ViommuClient(driver, timeout: 60_000_000_000)
    var sent: Int32 = 0
    var number: UInt64 = 0
    // What the socket does not take is tried again, until the server has gone.
    while sent == 0 || sent == CRING_CHANNEL_TIMED_OUT {
      var request = ViommuRequest(.translate, page: 1)
      request.sequence = number
      sent = device.send(request.words, waits: false)
      if sent == 0 { number += 1 }
      if number % 16 == 0 {
        try client.mapped(IOVA(4096 * (number + 1)), to: GuestPhysicalAddress(4096), pages: 1, .deviceReadable)
        number += 1
      }
    }
    try client.mapped(IOVA(0), to: GuestPhysicalAddress(4096), pages: 1, .deviceReadable)
    driver.close()
    thread.join()
    #expect(ends.withLock { $0 } == [.unread, .closed])
  }
}
