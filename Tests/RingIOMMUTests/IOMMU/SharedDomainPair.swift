import Glibc
import RingKit
import Testing

@testable import RingIOMMU

/// A shared domain as the driver has it, and as a device's process has it: the same memory, mapped once more as it would be
/// there.
final class SharedDomainPair: Sendable {
  let domain: IOMMUDomain
  let seat: DomainSeat
  let there: SharedDomain

  init(_ memory: GuestMemory, tablePages: Int = 64, configuration: IOMMUConfiguration = IOMMUConfiguration()) throws {
    domain = try IOMMUDomain(sharing: memory, tablePages: tablePages, configuration: configuration)
    seat = try DomainSeat(domain)
    there = try Self.map(seat.shared)
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
