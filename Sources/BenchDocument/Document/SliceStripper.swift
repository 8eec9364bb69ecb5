/// JSON of results without their raw slices, which are most of a file and which many results side by side do not need.
enum SliceStripper {
  private static let key = Array("\"slices\"".utf8)

  /// The same JSON with `null` for each list under the key `slices`.
  static func strip(_ json: [UInt8]) -> [UInt8] {
    var stripped: [UInt8] = []
    stripped.reserveCapacity(json.count / 4)
    var offset = 0
    while offset < json.count {
      guard json[offset] == UInt8(ascii: "\"") else {
        stripped.append(json[offset])
        offset += 1
        continue
      }
      let end = endOfString(json, offset)
      stripped += json[offset..<end]
      guard json[offset..<end].elementsEqual(key), let list = listAfter(json, end) else {
        offset = end
        continue
      }
      stripped += Array(": null".utf8)
      offset = endOfList(json, list)
    }
    return stripped
  }

  /// Behind the closing quote, or the end of the text.
  private static func endOfString(_ json: [UInt8], _ start: Int) -> Int {
    var offset = start + 1
    while offset < json.count, json[offset] != UInt8(ascii: "\"") {
      offset += json[offset] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(offset + 1, json.count)
  }

  /// Where a list begins that is the value of a key that ended.
  private static func listAfter(_ json: [UInt8], _ end: Int) -> Int? {
    var offset = end
    var hasColon = false
    while offset < json.count {
      switch json[offset] {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): offset += 1
      case UInt8(ascii: ":") where !hasColon:
        hasColon = true
        offset += 1
      case UInt8(ascii: "[") where hasColon: return offset
      default: return nil
      }
    }
    return nil
  }

  /// Behind the bracket that closes a list, or the end of the text.
  private static func endOfList(_ json: [UInt8], _ start: Int) -> Int {
    var (offset, depth) = (start, 0)
    while offset < json.count {
      switch json[offset] {
      case UInt8(ascii: "\""):
        offset = endOfString(json, offset)
        continue
      case UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "]"): depth -= 1
      default: break
      }
      offset += 1
      if depth == 0 { break }
    }
    return offset
  }
}
