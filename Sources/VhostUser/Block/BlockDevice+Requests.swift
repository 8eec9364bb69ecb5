internal import Glibc
internal import RingKit

extension BlockDevice {
  /// Does one request and writes its status.
  ///
  /// - Returns: bytes written: all that the driver made writable, because the status is the last of them.
  func perform(_ chain: DeviceChain, _ segments: [TranslatedSegment]) throws(VringFailure) -> UInt32 {
    guard chain.readableByteCount >= UInt64(BlockRequest.headerByteCount), chain.writableByteCount >= 1 else {
      throw .device(
        "a request of \(chain.readableByteCount) readable and \(chain.writableByteCount) writable bytes: "
          + "it needs 16 and 1")
    }
    let out = ChainBytes(segments, .deviceReadable, count: chain.readableByteCount)
    let back = ChainBytes(segments, .deviceWritable, count: chain.writableByteCount)
    var header = PayloadReader(out.copy(0..<BlockRequest.headerByteCount))
    let type: UInt32 = header.number()
    header.skip(4)
    let sector: UInt64 = header.number()
    let status = answer(type, sector, out, back)
    if status == .done {
      done += 1
    } else {
      failed += 1
      // Nothing may be left in front of the status that looks like data.
      back.clear(0..<(back.count - 1))
    }
    back.store([status.rawValue], at: back.count - 1)
    return UInt32(clamping: back.count)
  }

  private func answer(_ type: UInt32, _ sector: UInt64, _ out: ChainBytes, _ back: ChainBytes) -> BlockReply {
    let (sent, room) = (BlockRequest.headerByteCount..<out.count, 0..<(back.count - 1))
    switch BlockRequest(rawValue: type) {
    case .read:
      guard sent.isEmpty, let offset = offset(of: sector, byteCount: room.count) else { return .failed }
      return unsafe image.read(back.vectors(room), at: offset) == 0 ? .done : .failed
    case .write:
      guard room.isEmpty, !options.isReadOnly, let offset = offset(of: sector, byteCount: sent.count) else {
        return .failed
      }
      return unsafe image.write(out.vectors(sent), at: offset) == 0 ? .done : .failed
    case .flush: return image.flush() == 0 ? .done : .failed
    case .identify:
      var name = [UInt8](options.name.utf8.prefix(BlockRequest.nameByteCount))
      name += [UInt8](repeating: 0, count: BlockRequest.nameByteCount - name.count)
      guard room.count >= name.count else { return .failed }
      back.clear(room)
      back.store(name, at: 0)
      return .done
    case .discard: return options.isReadOnly ? .unsupported : clear(out.copy(clipped(sent)), sent, isDiscard: true)
    case .writeZeroes: return options.isReadOnly ? .unsupported : clear(out.copy(clipped(sent)), sent, isDiscard: false)
    case nil: return .unsupported
    }
  }

  /// Where in the file a request begins, if all of it is on the disk and whole sectors.
  private func offset(of sector: UInt64, byteCount: Int) -> UInt64? {
    guard byteCount % Int(BlockFeatures.sectorBytes) == 0, sector <= capacity,
      UInt64(byteCount) / BlockFeatures.sectorBytes <= capacity - sector
    else { return nil }
    return sector * BlockFeatures.sectorBytes
  }

  private func clipped(_ range: Range<Int>) -> Range<Int> {
    range.prefix(Int(Self.mostRanges) * BlockRequest.rangeByteCount)
  }

  /// Discards ranges, or writes zeros to them: all of them are looked at before the first is touched.
  private func clear(_ bytes: [UInt8], _ sent: Range<Int>, isDiscard: Bool) -> BlockReply {
    guard !bytes.isEmpty, bytes.count == sent.count, bytes.count % BlockRequest.rangeByteCount == 0 else {
      return .failed
    }
    var reader = PayloadReader(bytes)
    var ranges: [(offset: UInt64, byteCount: UInt64, mayUnmap: Bool)] = []
    for _ in 0..<(bytes.count / BlockRequest.rangeByteCount) {
      let (sector, count, flags): (UInt64, UInt32, UInt32) = (reader.number(), reader.number(), reader.number())
      // Bit 0: unmap; of a discard it must be 0, and other bits mean nothing (virtio 1.2, 5.2.6.2).
      guard flags & ~1 == 0, !isDiscard || flags == 0 else { return .unsupported }
      guard count <= Self.mostRangeSectors, sector <= capacity, UInt64(count) <= capacity - sector else {
        return .failed
      }
      ranges.append(
        (sector * BlockFeatures.sectorBytes, UInt64(count) * BlockFeatures.sectorBytes, isDiscard || flags == 1))
    }
    for range in ranges where range.byteCount > 0 {
      guard image.clear(at: range.offset, byteCount: range.byteCount, mayUnmap: range.mayUnmap) == 0 else {
        return .failed
      }
    }
    return .done
  }
}

/// What a request asks for (virtio 1.2, 5.2.6).
enum BlockRequest: UInt32 {
  case read = 0
  case write = 1
  case flush = 4
  case identify = 8
  case discard = 11
  case writeZeroes = 13

  /// Bytes in front of the data: type, a reserved word and the sector.
  static let headerByteCount = 16
  /// Bytes of a range to discard or to zero: sector, number of sectors and flags.
  static let rangeByteCount = 16
  /// Bytes of the name that `identify` returns.
  static let nameByteCount = 20
}

/// The last byte of a request, which the device writes (virtio 1.2, 5.2.6).
enum BlockReply: UInt8 {
  case done = 0
  case failed = 1
  case unsupported = 2
}
