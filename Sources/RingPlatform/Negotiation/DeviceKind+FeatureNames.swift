package import RingKit

extension DeviceKind {
  /// The specification's names of the features that are set, a ring's and this kind's; of others the bit's number.
  package func featureNames(_ features: VirtioFeatures) -> String {
    var names: [String] = []
    var rest = features.rawValue
    for (bit, name) in ownFeatures where rest & 1 << bit != 0 {
      names.append(name)
      rest &= ~(1 << bit)
    }
    if rest != 0 || names.isEmpty { names.append(VirtioFeatures(rawValue: rest).description) }
    return names.joined(separator: " ")
  }

  private var ownFeatures: [(bit: UInt64, name: String)] {
    switch self {
    case .network:
      [
        (0, "CSUM"), (1, "GUEST_CSUM"), (2, "CTRL_GUEST_OFFLOADS"), (3, "MTU"), (5, "MAC"), (6, "GSO"),
        (7, "GUEST_TSO4"), (8, "GUEST_TSO6"), (9, "GUEST_ECN"), (10, "GUEST_UFO"), (11, "HOST_TSO4"),
        (12, "HOST_TSO6"), (13, "HOST_ECN"), (14, "HOST_UFO"), (15, "MRG_RXBUF"), (16, "STATUS"), (17, "CTRL_VQ"),
        (18, "CTRL_RX"), (19, "CTRL_VLAN"), (20, "CTRL_RX_EXTRA"), (21, "GUEST_ANNOUNCE"), (22, "MQ"),
        (23, "CTRL_MAC_ADDR"), (50, "DEVICE_STATS"), (52, "VQ_NOTF_COAL"), (53, "NOTF_COAL"), (54, "GUEST_USO4"),
        (55, "GUEST_USO6"), (56, "HOST_USO"), (57, "HASH_REPORT"), (59, "GUEST_HDRLEN"), (60, "RSS"), (61, "RSC_EXT"),
        (62, "STANDBY"), (63, "SPEED_DUPLEX"),
      ]
    case .block:
      [
        (0, "BARRIER"), (1, "SIZE_MAX"), (2, "SEG_MAX"), (4, "GEOMETRY"), (5, "RO"), (6, "BLK_SIZE"), (7, "SCSI"),
        (9, "FLUSH"), (10, "TOPOLOGY"), (11, "CONFIG_WCE"), (12, "MQ"), (13, "DISCARD"), (14, "WRITE_ZEROES"),
        (15, "LIFETIME"), (16, "SECURE_ERASE"), (17, "ZONED"),
      ]
    default: []
    }
  }
}
