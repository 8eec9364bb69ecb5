#if Bench
import BenchHarness
import BenchPaths
import BenchReport

extension CostOptions {
  /// How many percent of the buffers lie above 4 GiB, and how many address bits the device has.
  ///
  /// Either says what is bounced, so both together are refused: with another mask the share is not what was asked for.
  func mask() throws(BenchError) -> (beyondPercent: Int, maskBits: Int) {
    guard beyond == nil || maskBits == nil else {
      throw .usage("--beyond places the buffers for a device of 32 address bits; leave --mask-bits or --beyond away")
    }
    let percent = beyond ?? CostParameters().beyondPercent
    guard (0...100).contains(percent) else { throw .usage("--beyond is 0 to 100 percent, not \(percent)") }
    let bits = maskBits ?? CostParameters().maskBits
    guard (31...64).contains(bits) else {
      throw .usage(
        "--mask-bits is 31 to 64, not \(bits): the bounce pool lies below 2 GiB and the device must reach it")
    }
    return (percent, bits)
  }

  func shadowSlotBytes() throws(BenchError) -> Int? {
    guard let shadowSlot else { return nil }
    let bytes = try ByteCount.parse(shadowSlot)
    guard bytes > 0, bytes <= 16 << 20, bytes % 64 == 0 else {
      throw .usage("--shadow-slot is a multiple of 64 bytes up to 16 MiB, not \(bytes)")
    }
    return bytes
  }
}
#endif
