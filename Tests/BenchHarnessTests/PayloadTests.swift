import CRingBench
import Testing

@Suite struct PayloadTests {
  @Test(arguments: [1, 7, 8, 9, 63, 64, 65, 1_499, 1_500, 4_096])
  func everyByteIsWrittenAndChecked(_ count: Int) {
    var bytes = [UInt8](repeating: 0xEE, count: count + 1)
    unsafe bytes.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      unsafe crb_fill(base, count, 42)
      #expect(unsafe crb_check(base, count, 42))
      #expect(unsafe !crb_check(base, count, 43))
      #expect(unsafe crb_first_wrong_byte(base, count, 42) == count)
      #expect(unsafe buffer[count] == 0xEE, "written beyond the end")
      for offset in 0..<count {
        unsafe buffer[offset] ^= 0x80
        #expect(unsafe !crb_check(base, count, 42), "byte \(offset) is not looked at")
        #expect(unsafe crb_first_wrong_byte(base, count, 42) == offset)
        unsafe buffer[offset] ^= 0x80
      }
    }
  }
}
