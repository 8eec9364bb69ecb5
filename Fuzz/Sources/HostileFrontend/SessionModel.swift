import FuzzSupport
import Glibc
import RingKit

/// What a front-end said, by the protocol's rules alone: where a device may go is looked up here, not in the library.
final class SessionModel {
  struct Entry {
    let guest: UInt64
    let byteCount: UInt64
    let user: UInt64
    let offset: UInt64
  }
  struct Translation {
    let first: UInt64
    let last: UInt64
    let user: UInt64
    let permissions: UInt8
  }

  var features: UInt64 = 0
  var table: [Entry] = []
  var translations: [Translation] = []
  /// False once something went out that may mean anything: then it is unknown what was said.
  var isExact = true
  /// Parts of the file that any table named.
  var named: [Range<UInt64>] = []
  /// Parts of the log's file that any message named.
  var logged: [Range<UInt64>] = []
  /// Whether the disk's file was handed over as memory.
  var diskIsMemory = false
  var checked = 0
  /// The device's clock: goes on by one at each look, and by what a step says.
  var milliseconds: UInt64 = 0

  private var isTranslating: Bool { features & 1 << 33 != 0 }

  func setTable(_ entries: [Entry]) {
    table = entries
    translations = []
    for entry in entries { name(entry.offset, entry.byteCount) }
  }

  /// Something named a part of the file.
  func name(_ offset: UInt64, _ byteCount: UInt64) {
    let end = UInt64(FrontendMemory.byteCount)
    if offset < end { named.append(offset..<(offset + min(byteCount, end - offset))) }
  }

  func update(_ first: UInt64, _ byteCount: UInt64, _ user: UInt64, _ permissions: UInt8) {
    if byteCount == 0 { return }
    invalidate(first, byteCount)
    translations.append(Translation(first: first, last: first &+ (byteCount - 1), user: user, permissions: permissions))
  }

  func invalidate(_ first: UInt64, _ byteCount: UInt64) {
    if byteCount == 0 { return }
    let (sum, overflow) = first.addingReportingOverflow(byteCount - 1)
    let last = overflow ? UInt64.max : sum
    translations.removeAll { $0.first <= last && first <= $0.last }
  }

  /// A segment that a device was handed lies where its address leads, all of it in memory that it may reach in that
  /// way.
  func check(_ segment: TranslatedSegment) {
    guard isExact else { return }
    checked += 1
    if segment.byteCount == 0 { return }
    let host = segment.host.pointer
    let permission: UInt8 = segment.access == .deviceWritable ? 2 : 1
    guard let offset = offset(of: segment.address.rawValue, permission) else {
      fatalError("finding: \(segment) leads nowhere")
    }
    let end = offset + UInt64(segment.byteCount)
    FuzzSupport.check(end <= UInt64(FrontendMemory.byteCount), "\(segment) is longer than the file")
    let allowed = reachable(permission)
    var at = offset
    while at < end {
      guard let part = allowed.first(where: { $0.contains(at) }) else {
        fatalError("finding: \(segment) reaches byte \(at) of the file, which it may not")
      }
      at = part.upperBound
    }
    let own = FrontendMemory.base + Int(offset)
    for i in [0, segment.byteCount - 1] {
      let value = own.load(fromByteOffset: i, as: UInt8.self)
      own.storeBytes(of: ~value, toByteOffset: i, as: UInt8.self)
      FuzzSupport.check(host.load(fromByteOffset: i, as: UInt8.self) == ~value, "\(segment) is other memory")
      own.storeBytes(of: value, toByteOffset: i, as: UInt8.self)
    }
  }

  /// Where in the file an address of the device's leads.
  private func offset(of address: UInt64, _ permission: UInt8) -> UInt64? {
    if isTranslating {
      guard
        let found = translations.first(where: {
          $0.first <= address && address <= $0.last && $0.permissions & permission != 0
        })
      else { return nil }
      return offset(user: found.user &+ (address - found.first))
    }
    guard let entry = table.first(where: { address >= $0.guest && address - $0.guest < $0.byteCount }) else {
      return nil
    }
    return entry.offset + (address - entry.guest)
  }

  private func offset(user address: UInt64) -> UInt64? {
    guard let entry = table.first(where: { address >= $0.user && address - $0.user < $0.byteCount }) else { return nil }
    return entry.offset + (address - entry.user)
  }

  private func reachable(_ permission: UInt8) -> [Range<UInt64>] {
    guard isTranslating else { return table.map { $0.offset..<($0.offset + $0.byteCount) } }
    return translations.compactMap { part in
      guard part.permissions & permission != 0, let start = offset(user: part.user) else { return nil }
      return start..<(start + (part.last - part.first) + 1)
    }
  }
}
