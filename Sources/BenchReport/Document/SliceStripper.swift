/// JSON of results without their raw slices, which are most of a file and which many results side by side do not need.
enum SliceStripper {
  private static let key = Array("\"slices\"".utf8)

  /// The same JSON with `null` for each list under the key `slices`.
  static func strip(_ json: [UInt8]) -> [UInt8] {
    var stripped: [UInt8] = []
    stripped.reserveCapacity(json.count / 4)
    var place = 0
    while place < json.count {
      guard json[place] == UInt8(ascii: "\"") else {
        stripped.append(json[place])
        place += 1
        continue
      }
      let end = endOfString(json, place)
      stripped += json[place..<end]
      guard json[place..<end].elementsEqual(key), let list = listAfter(json, end) else {
        place = end
        continue
      }
      stripped += Array(": null".utf8)
      place = endOfList(json, list)
    }
    return stripped
  }

  /// Behind the closing quote, or the end of the text.
  private static func endOfString(_ json: [UInt8], _ start: Int) -> Int {
    var place = start + 1
    while place < json.count, json[place] != UInt8(ascii: "\"") {
      place += json[place] == UInt8(ascii: "\\") ? 2 : 1
    }
    return min(place + 1, json.count)
  }

  /// Where a list begins that is the value of a key that ended.
  private static func listAfter(_ json: [UInt8], _ end: Int) -> Int? {
    var place = end
    var hasColon = false
    while place < json.count {
      switch json[place] {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): place += 1
      case UInt8(ascii: ":") where !hasColon:
        hasColon = true
        place += 1
      case UInt8(ascii: "[") where hasColon: return place
      default: return nil
      }
    }
    return nil
  }

  /// Behind the bracket that closes a list, or the end of the text.
  private static func endOfList(_ json: [UInt8], _ start: Int) -> Int {
    var (place, depth) = (start, 0)
    while place < json.count {
      switch json[place] {
      case UInt8(ascii: "\""):
        place = endOfString(json, place)
        continue
      case UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "]"): depth -= 1
      default: break
      }
      place += 1
      if depth == 0 { break }
    }
    return place
  }
}
