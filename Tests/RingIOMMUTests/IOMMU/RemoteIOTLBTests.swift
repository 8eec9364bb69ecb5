import RingKit
import Testing

@testable import RingIOMMU

/// A device in another process is a closure here: what it was told to forget, and whether it confirms.
@Suite struct RemoteIOTLBTests {
  private final class Peer: @unchecked Sendable {
    var forgotten: [IOMMURange] = []
    var confirms = true
  }

  private func attach(_ fixture: IOMMUFixture) -> (Peer, RemoteIOTLB) {
    let peer = Peer()
    let remote = RemoteIOTLB(domain: fixture.domain) { range in
      peer.forgotten.append(range)
      return peer.confirms
    }
    return (peer, remote)
  }

  @Test func aStrictUnmapTellsTheDeviceBeforeItReturns() throws {
    let fixture = try IOMMUFixture()
    let (peer, remote) = attach(fixture)
    var mapper = IOMMUMapper(domain: fixture.domain, policy: .strict, counter: CountedWork())
    for turn in 0..<300 {
      let (address, mapping) = try mapper.map(fixture.segment(turn * 8, 4096), .deviceWritable)
      #expect(peer.forgotten.count == turn)
      try mapper.unmap(mapping, .deviceWritable)
      let page = address.rawValue & ~4095
      // Two pages once the segment does not start with one.
      let expected = IOMMURange(IOVA(page), byteCount: turn % 512 == 0 ? 4096 : 8192)
      #expect(peer.forgotten.count == turn + 1 && peer.forgotten.last == expected)
    }
    remote.detach()
  }

  @Test func aLazyFlushTellsOfEverything() throws {
    let fixture = try IOMMUFixture()
    let (peer, remote) = attach(fixture)
    var mapper = IOMMUMapper(domain: fixture.domain, policy: .lazy, counter: CountedWork())
    let (_, mapping) = try mapper.map(fixture.segment(0, 64), .deviceReadable)
    try mapper.unmap(mapping, .deviceReadable)
    #expect(peer.forgotten.isEmpty)
    try mapper.flush()
    #expect(peer.forgotten == [IOMMURange(IOVA(0), byteCount: 1 << 48)])
    remote.detach()
  }

  @Test func aDeviceThatDoesNotConfirmFailsTheUnmapAndItsRangeStaysReserved() throws {
    let fixture = try IOMMUFixture()
    let (peer, remote) = attach(fixture)
    var mapper = IOMMUMapper(domain: fixture.domain, policy: .strict, counter: UncountedWork())
    let (address, mapping) = try mapper.map(fixture.segment(0, 64), .deviceReadable)
    peer.confirms = false
    #expect(throws: DMAError.deviceUnreachable) { try mapper.unmap(mapping, .deviceReadable) }
    #expect(remote.translation(of: address) == nil)
    // Detached, it is waited for no more; what it may still reach is not handed out.
    remote.detach()
    for _ in 0..<600 {
      let (other, mapping) = try mapper.map(fixture.segment(4096, 64), .deviceReadable)
      #expect(other.rawValue >> 12 != address.rawValue >> 12)
      try mapper.unmap(mapping, .deviceReadable)
    }
  }

  @Test func aMissIsAnsweredFromThePageTable() throws {
    let fixture = try IOMMUFixture()
    let (_, remote) = attach(fixture)
    var mapper = IOMMUMapper(domain: fixture.domain, policy: .strict, counter: UncountedWork())
    let (address, mapping) = try mapper.map(fixture.segment(2 * 4096 + 100, 64), .deviceReadable)
    let page = IOVA(address.rawValue & ~4095)
    let found = try #require(remote.translation(of: address))
    #expect(found.range == IOMMURange(page, byteCount: 4096))
    #expect(found.target == GuestPhysicalAddress(IOMMUFixture.base + 2 * 4096))
    #expect(found.host == fixture.host(2 * 4096))
    #expect(found.isReadable && !found.isWritable)
    #expect(remote.translation(of: IOVA(page.rawValue + 4096)) == nil)
    #expect(remote.translation(of: IOVA(.max)) == nil)
    try mapper.unmap(mapping, .deviceReadable)
    #expect(remote.translation(of: address) == nil)
    // Private memory is mapped for the driver and not shown to a device.
    let (hidden, kept) = try mapper.map(MemorySegment(GuestPhysicalAddress(1 << 40), length: 8), .deviceWritable)
    #expect(remote.translation(of: hidden) == nil)
    try mapper.unmap(kept, .deviceWritable)
    remote.detach()
  }

  @Test func aLargeLeafIsAnsweredWhole() throws {
    let fixture = try IOMMUFixture()
    let (_, remote) = attach(fixture)
    var mapper = try PremappedMapper(
      fixture.regions[0], domain: fixture.domain, largePages: true, counter: UncountedWork())
    let (address, _) = try mapper.map(fixture.segment(3 << 20, 64), .deviceWritable)
    let found = try #require(remote.translation(of: address))
    #expect(found.range == IOMMURange(IOVA(address.rawValue & ~0x1f_ffff), byteCount: 2 << 20))
    #expect(found.host == fixture.host(2 << 20) && found.isReadable && found.isWritable)
    try mapper.release()
    remote.detach()
  }
}
