import CRing
import Glibc
import RingKit
import RingKitTesting
import Testing

@testable import RingIOMMU

/// A guest, a shared domain over it with a device in it, and the device's translator on the test's thread or on one of
/// its own.
struct SharedDomainFixture {
  let guest: IOMMUFixture
  let pair: SharedDomainPair

  init(
    servedBy: InvalidationServer = .waiter, timeout: UInt64 = 20_000_000_000,
    configure: (inout IOMMUConfiguration) -> Void = { _ in }
  ) throws {
    guest = try IOMMUFixture()
    var configuration = IOMMUConfiguration()
    configuration.servedBy = servedBy
    configuration.invalidationTimeout = timeout
    configuration.flushInterval = .max
    configure(&configuration)
    pair = try SharedDomainPair(guest.memory, configuration: configuration)
  }

  func mapper(_ policy: IOMMUPolicy = .strict) -> IOMMUMapper<UncountedWork> {
    IOMMUMapper(domain: pair.domain, policy: policy, counter: UncountedWork())
  }

  /// A translator on the test's thread, which waiters serve.
  func translator() -> RemoteIOMMUTranslator<CountedWork> {
    var translator = RemoteIOMMUTranslator(domain: pair.there, memory: guest.memory, counter: CountedWork())
    translator.beServed(by: pair.attachment)
    return translator
  }

  /// Serves on a thread until the flag is raised.
  func serve(_ stop: StopFlag) -> TestThread {
    let (there, memory) = (pair.there, guest.memory)
    return TestThread {
      var translator = RemoteIOMMUTranslator(domain: there, memory: memory, counter: UncountedWork())
      while !stop.isRaised { translator.service() }
    }
  }

  // MARK: As a device or a driver that writes what it should not

  func setCompletion(_ value: UInt64) {
    unsafe cring_store_release_64(pair.there.completions.hostBase.pointer, value)
  }

  var completion: UInt64 { unsafe cring_load_acquire_64(pair.there.completions.hostBase.pointer) }

  /// A word of the tables, through the driver's mapping.
  func setWord(_ value: UInt64, at offset: Int) {
    unsafe cring_store_release_64(pair.attachment.shared.tables.hostBase.advanced(by: offset).pointer, value)
  }

  func word(at offset: Int) -> UInt64 {
    unsafe cring_load_acquire_64(pair.attachment.shared.tables.hostBase.advanced(by: offset).pointer)
  }

  /// Where in the tables the entry of a page at a level is.
  func entry(of address: IOVA, level: Int) -> Int {
    var table: UInt64 = 0
    for at in stride(from: 4, through: level, by: -1) {
      let slot =
        SharedDomainLayout.arenaOffset + Int(table)
        + Int(address.rawValue >> UInt64(12 + 9 * (at - 1)) & 511) * 8
      if at == level { return slot }
      table = word(at: slot) & PageTableEntry.addressMask
    }
    return 0
  }
}

/// A shared domain as the driver has it, and as a device's process has it: the same memory, mapped once more as it
/// would be there.
final class SharedDomainPair: Sendable {
  let domain: IOMMUDomain
  let attachment: DomainAttachment
  let there: SharedDomain

  init(_ memory: GuestMemory, tablePages: Int = 64, configuration: IOMMUConfiguration = IOMMUConfiguration()) throws {
    domain = try IOMMUDomain(sharing: memory, tablePages: tablePages, configuration: configuration)
    attachment = try DomainAttachment(domain)
    there = try Self.map(attachment.shared)
  }

  /// What a device's process makes of it.
  static func map(_ shared: SharedDomain) throws -> SharedDomain {
    var files = [
      dup(try #require(shared.tables.fileDescriptor)), dup(try #require(shared.completions.fileDescriptor)),
    ]
    let mapped = try SharedDomain(
      &files, tableByteCount: shared.tables.byteCount, completionByteCount: shared.completions.byteCount)
    #expect(files.isEmpty)
    return try #require(mapped)
  }
}
