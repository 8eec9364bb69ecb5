// expect: 'driverTable' is inaccessible due to 'package' protection level
import RingKit

func dangling() throws -> HostAddress? {
  let table = try GuestMemory(byteCount: 4096).driverTable
  return table.translate(GuestPhysicalAddress(0), length: 1)
}
