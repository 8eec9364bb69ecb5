package import RingKit

/// The kinds of device that the specification numbers (virtio 1.4, "Device Types").
///
/// The raw value is the device id; the name is the one on the command line and in JSON.
public enum DeviceKind: UInt32, CaseIterable, Sendable {
  /// Network device.
  case network = 1
  /// Block device.
  case block = 2
  /// Console.
  case console = 3
  /// Entropy source.
  case entropy = 4
  /// Memory ballooning (traditional).
  case balloon = 5
  /// IoMemory.
  case ioMemory = 6
  /// Rpmsg.
  case rpmsg = 7
  /// SCSI host.
  case scsi = 8
  /// 9P transport.
  case ninePTransport = 9
  /// Mac80211 wlan.
  case wlan = 10
  /// Rproc serial.
  case rprocSerial = 11
  /// Virtio CAIF.
  case caif = 12
  /// Memory balloon.
  case newBalloon = 13
  /// GPU device.
  case gpu = 16
  /// RTC (Real Time Clock) device.
  case rtc = 17
  /// Input device.
  case input = 18
  /// Socket device.
  case socket = 19
  /// Crypto device.
  case crypto = 20
  /// Signal Distribution Module.
  case signalDistribution = 21
  /// Pstore device.
  case pstore = 22
  /// IOMMU device.
  case iommu = 23
  /// Memory device.
  case memory = 24
  /// Sound device.
  case sound = 25
  /// File system device.
  case fileSystem = 26
  /// PMEM device.
  case pmem = 27
  /// RPMB device.
  case rpmb = 28
  /// Mac80211 hwsim wireless simulation device.
  case wirelessSimulation = 29
  /// Video encoder device.
  case videoEncoder = 30
  /// Video decoder device.
  case videoDecoder = 31
  /// SCMI device.
  case scmi = 32
  /// NitroSecureModule.
  case nitroSecureModule = 33
  /// I2C adapter.
  case i2c = 34
  /// Watchdog.
  case watchdog = 35
  /// CAN device.
  case can = 36
  /// Parameter Server.
  case parameterServer = 38
  /// Audio policy device.
  case audioPolicy = 39
  /// Bluetooth device.
  case bluetooth = 40
  /// GPIO device.
  case gpio = 41
  /// RDMA device.
  case rdma = 42
  /// Camera device.
  case camera = 43
  /// ISM device.
  case ism = 44
  /// SPI controller.
  case spi = 45
  /// TEE device.
  case tee = 46
  /// CPU balloon device.
  case cpuBalloon = 47
  /// Media device.
  case media = 48
  /// USB controller.
  case usb = 49
}

extension DeviceKind {
  /// A kind by its ``name``, or `nil` when there is none.
  public init?(name: String) {
    guard let kind = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = kind
  }

  /// A short name in small letters, for command lines and JSON.
  public var name: String {
    switch self {
    case .ioMemory: "iomemory"
    case .ninePTransport: "9p"
    case .wlan: "wlan"
    case .rprocSerial: "rproc-serial"
    case .newBalloon: "new-balloon"
    case .socket: "vsock"
    case .signalDistribution: "signal-distribution"
    case .fileSystem: "fs"
    case .wirelessSimulation: "wlan-simulation"
    case .videoEncoder: "video-encoder"
    case .videoDecoder: "video-decoder"
    case .nitroSecureModule: "nitro-secure-module"
    case .parameterServer: "parameter-server"
    case .audioPolicy: "audio-policy"
    case .cpuBalloon: "cpu-balloon"
    default: "\(self)"
    }
  }

  /// What the specification's table calls it.
  public var title: String {
    switch self {
    case .network: "network device"
    case .block: "block device"
    case .console: "console"
    case .entropy: "entropy source"
    case .balloon: "memory ballooning (traditional)"
    case .ioMemory: "ioMemory"
    case .rpmsg: "rpmsg"
    case .scsi: "SCSI host"
    case .ninePTransport: "9P transport"
    case .wlan: "mac80211 wlan"
    case .rprocSerial: "rproc serial"
    case .caif: "virtio CAIF"
    case .newBalloon: "memory balloon"
    case .gpu: "GPU device"
    case .rtc: "RTC (Real Time Clock) device"
    case .input: "Input device"
    case .socket: "Socket device"
    case .crypto: "Crypto device"
    case .signalDistribution: "Signal Distribution Module"
    case .pstore: "pstore device"
    case .iommu: "IOMMU device"
    case .memory: "Memory device"
    case .sound: "Sound device"
    case .fileSystem: "file system device"
    case .pmem: "PMEM device"
    case .rpmb: "RPMB device"
    case .wirelessSimulation: "mac80211 hwsim wireless simulation device"
    case .videoEncoder: "Video encoder device"
    case .videoDecoder: "Video decoder device"
    case .scmi: "SCMI device"
    case .nitroSecureModule: "NitroSecureModule"
    case .i2c: "I2C adapter"
    case .watchdog: "Watchdog"
    case .can: "CAN device"
    case .parameterServer: "Parameter Server"
    case .audioPolicy: "Audio policy device"
    case .bluetooth: "Bluetooth device"
    case .gpio: "GPIO device"
    case .rdma: "RDMA device"
    case .camera: "Camera device"
    case .ism: "ISM device"
    case .spi: "SPI controller"
    case .tee: "TEE device"
    case .cpuBalloon: "CPU balloon device"
    case .media: "Media device"
    case .usb: "USB controller"
    }
  }

  /// Whether what it hands to its device are physical addresses in the data, which nothing translates.
  ///
  /// Its driver then leaves ACCESS_PLATFORM out where the platform allows that.
  public var handsOverPhysicalAddresses: Bool { self == .balloon }
}

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
