@testable import RingKit

/// A violation as a queue reports it.
func violation(
  _ rule: RingRule, _ field: RingViolation.Field, _ value: UInt64, limit: UInt64 = 0
) -> RingViolation { RingViolation(rule, field, value, limit: limit) }
