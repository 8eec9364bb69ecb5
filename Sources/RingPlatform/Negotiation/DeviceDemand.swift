public import RingKit

/// What a kind of device demands of the guest's memory beside the buffers in its queues.
public struct DeviceDemand: Equatable, Sendable {
  /// Where that leaves it on a platform whose guest memory is out of the device's reach.
  public enum Verdict: String, Sendable, CaseIterable {
    /// Everything goes through queues, so everything can be bounced.
    case bounces
    /// It works as long as what ``DeviceDemand/restriction`` names is left alone.
    case restricted
    /// It cannot do its work there.
    case refused
    /// The specification only numbers it; refused as long as nobody vouches for it.
    case unspecified
  }

  /// What a secure platform does with it.
  public let verdict: Verdict
  /// Why, in one sentence.
  public let reason: String
  /// What must be left alone for it to work; `nil` where nothing or everything must.
  public let restriction: String?
  /// What would have to be different for a secure platform to take it; `nil` where it does.
  public let remedy: String?
  /// Feature bits that a secure platform does not accept although they are offered and understood.
  public let withheld: VirtioFeatures
  /// The sections of the specification (virtio 1.4) that say so.
  public let sources: [String]

  init(
    _ verdict: Verdict, _ reason: String, restriction: String? = nil, remedy: String? = nil,
    withheld: VirtioFeatures = [], sources: [String]
  ) {
    self.verdict = verdict
    self.reason = reason
    self.restriction = restriction
    self.remedy = remedy
    self.withheld = withheld
    self.sources = sources
  }
}
