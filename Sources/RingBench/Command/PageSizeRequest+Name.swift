import RingKit

extension PageSizeRequest: NamedChoice {
  static let noun = "page size"
}
