import Glibc

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
