import Glibc

/// Numbers as people read them.
package enum NumberText {
  /// With that many digits after the point.
  package static func fixed(_ number: Double, _ digits: Int) -> String {
    guard number.isFinite else { return "-" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = (abs(number) * Double(scale)).rounded()
    guard scaled < 9e15 else { return "\(number)" }
    let whole = Int(scaled)
    let sign = number < 0 && whole != 0 ? "-" : ""
    guard digits > 0 else { return sign + grouped(whole) }
    let fraction = String(whole % scale)
    return sign + grouped(whole / scale) + "." + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// About three significant digits: 4.21, 42.1, 421.
  package static func short(_ number: Double) -> String {
    fixed(number, abs(number) < 9.995 ? 2 : abs(number) < 99.95 ? 1 : 0)
  }

  /// 1,500.
  package static func grouped(_ number: Int) -> String {
    var digits = String(number.magnitude)
    var groups: [Substring] = []
    while digits.count > 3 {
      groups.insert(Substring(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (number < 0 ? "-" : "") + ([Substring(digits)] + groups).joined(separator: ",")
  }

  /// 64 MiB, 4 KiB, 1,500 B: the largest unit that leaves no fraction.
  package static func bytes(_ count: Int) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where count >= 1 << shift && count % (1 << shift) == 0
    {
      return "\(grouped(count >> shift)) \(unit)"
    }
    return "\(grouped(count)) B"
  }
}

/// Figures with no more digits than a measurement has: four significant ones.
package enum Rounded {
  package static func value(_ number: Double, digits: Int = 4) -> Double {
    guard number != 0, number.isFinite else { return number }
    let exponent = digits - 1 - Int(floor(log10(abs(number))))
    // Whole powers of ten are exact, their inverses are not: divide by one or multiply by one, never by an inverse.
    guard exponent >= 0 else {
      let power = pow(10, Double(-exponent))
      return (number / power).rounded() * power
    }
    let power = pow(10, Double(exponent))
    return (number * power).rounded() / power
  }
}
