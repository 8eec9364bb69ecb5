/// Takes a payload apart whose length was checked against what is read from it.
struct PayloadReader {
  private let bytes: ArraySlice<UInt8>
  private var place: Int

  init(_ bytes: [UInt8]) { self.init(bytes[...]) }

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    place = bytes.startIndex
  }

  mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type = Number.self) -> Number {
    var value: Number = 0
    let count = MemoryLayout<Number>.size
    precondition(place + count <= bytes.endIndex, "a payload is read beyond its end")
    // SAFETY: as many bytes as the local value has, all of them inside the payload.
    unsafe withUnsafeMutableBytes(of: &value) { unsafe $0.copyBytes(from: bytes[place..<(place + count)]) }
    place += count
    return value
  }

  mutating func skip(_ count: Int) { place += count }

  var rest: [UInt8] { [UInt8](bytes[place...]) }
}
