import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

@Suite struct IOMMUThreadTests {
  /// Two drivers map, show their address and unmap; two devices translate whatever address they are shown.
  @Test(arguments: IOMMUPolicy.allCases)
  func driversAndDevicesOnThreadsOfTheirOwn(policy: IOMMUPolicy) throws {
    let guest = try IOMMUFixture {
      $0.servedBy = .deviceThread
      $0.cpuCount = 2
      $0.flushInterval = 100_000
    }
    let domain = guest.domain
    // At 8: whether all is done; at 16: whether it may begin; 256 bytes apart: the address each driver shows, or 0.
    let words = PrivateTable<UInt64>(count: 64, repeating: 0)
    let board = unsafe SharedMemory(HostAddress(UnsafeMutableRawPointer(words.base)), byteCount: 512)
    // Both on one thread, so that a machine with few CPUs gets on.
    let devices = TestThread {
      var first = IOMMUTranslator(domain: domain, isAuditing: true, counter: CountedWork())
      var second = IOMMUTranslator(domain: domain, iotlbSets: 1, isAuditing: true, counter: CountedWork())
      var reached = 0
      func serve(_ device: inout IOMMUTranslator<CountedWork>, _ number: Int) {
        device.service()
        let iova = board.loadAcquire64(number * 256)
        if iova == 0 { return }
        // The driver may have unmapped meanwhile, which is a fault; a wrong byte is never right.
        guard let found = try? device.translate(IOVA(iova), byteCount: 64, for: .deviceReadable) else { return }
        reached += 1
        if found.host.rawValue & 4095 != UInt(number * 64) { Issue.record("a translation lost its offset") }
      }
      // Tells the drivers that both are attached.
      board.storeRelease64(1, 16)
      while board.loadAcquire64(8) == 0 {
        serve(&first, 0)
        serve(&second, 1)
      }
      #expect(reached > 0)
    }
    let drivers = (0..<2).map { number in
      TestThread {
        while board.loadAcquire64(16) == 0 {}
        var mapper = IOMMUMapper(domain: domain, policy: policy, cpu: number, counter: CountedWork())
        do {
          for i in 0..<500 {
            let (iova, mapping) = try mapper.map(guest.segment(i % 900 * 4096 + number * 64, 64), .deviceReadable)
            board.storeRelease64(iova.rawValue, number * 256)
            try mapper.poll()
            board.storeRelease64(0, number * 256)
            try mapper.unmap(mapping, .deviceReadable)
          }
          // Long enough in view to be reached in any case.
          let (iova, mapping) = try mapper.map(guest.segment(number * 64, 64), .deviceReadable)
          board.storeRelease64(iova.rawValue, number * 256)
          for _ in 0..<100 { try mapper.flush() }
          try domain.core.invalidations.invalidateAll(counter: &mapper.work)
          try domain.core.invalidations.invalidateAll(counter: &mapper.work)
          board.storeRelease64(0, number * 256)
          try mapper.unmap(mapping, .deviceReadable)
          try mapper.flush()
        } catch { Issue.record(error) }
        #expect(mapper.work.counts[.unmaps] == 501)
        if policy == .strict { #expect(mapper.work.counts[.invalidations] == 503) }
      }
    }
    for driver in drivers { driver.join() }
    // A driver's request waits for both devices: they may not end before both drivers have.
    board.storeRelease64(1, 8)
    devices.join()
    domain.core.allocator.flushCaches()
    #expect(domain.rangesInUse == 0)
    _ = consume words
  }
}
