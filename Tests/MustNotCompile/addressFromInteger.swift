// expect: unsafe constructs
import RingKit

func anywhere(_ number: UInt) -> HostAddress { HostAddress(rawValue: number) }
