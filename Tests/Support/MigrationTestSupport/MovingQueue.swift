internal import RingIOMMU
package import RingKit
package import RingKitTesting

/// Both ends of a queue at one stop of its way.
package final class MovingQueue {
  /// What moves beside the memory.
  package struct Image: Codable, Sendable {
    /// The queue.
    package var plan: MovingPlan
    /// The driver's end.
    package var driver: QueueState
    /// The device's end.
    package var device: QueueState
    /// What the driver's caller knows.
    package var driverLoad: MovingDriver.Load
    /// What the device knows.
    package var deviceLoad: MovingDevice.Load
    /// Seeds the next stop.
    package var seed: UInt64
  }

  // The device goes first: a driver that unmaps as it goes must not wait for a device that no longer answers.
  /// The device's side.
  package private(set) var device: MovingDevice
  /// The driver's side.
  package private(set) var driver: MovingDriver
  /// The queue.
  package let plan: MovingPlan

  /// A new queue, or the one that an image is of.
  ///
  /// With `threads`, both sides may run on threads of their own.
  package init(_ plan: MovingPlan, _ memory: MovingMemory, from image: Image? = nil, threads: Bool = false) throws {
    self.plan = plan
    var iommu = IOMMUConfiguration()
    iommu.servedBy = threads ? .deviceThread : .waiter
    let domain = IOMMUDomain(memory: memory.memory, configuration: iommu)
    let maker = Maker(plan: plan, memory: memory, image: image)
    let work = CountedWork()
    let regions = RegionTranslator(memory: memory.memory, counter: work)
    let pages = IOMMUTranslator(domain: domain, counter: work)
    switch plan.path {
    case .direct: (device, driver) = try maker.make(DirectMapper(memory: memory.memory, counter: work), regions)
    case .identity: (device, driver) = try maker.make(IdentityMapper(memory: memory.memory, counter: work), regions)
    case .iommuStrict:
      (device, driver) = try maker.make(IOMMUMapper(domain: domain, policy: .strict, counter: work), pages)
    case .iommuLazy: (device, driver) = try maker.make(IOMMUMapper(domain: domain, policy: .lazy, counter: work), pages)
    case .premapped:
      (device, driver) = try maker.make(
        PremappedMapper([memory.payload, memory.tables], domain: domain, counter: work), pages)
    case .swiotlb:
      let pool = try SwiotlbPool(memory.bounce)
      (device, driver) = try maker.make(SwiotlbMapper(memory: memory.memory, pool: pool, counter: work), regions)
    }
  }

  /// What another stop needs.
  package func image(seed: UInt64) throws -> Image {
    let driver = try driver.save()
    let device = try device.save()
    return Image(
      plan: plan, driver: driver, device: device, driverLoad: self.driver.load, deviceLoad: self.device.load,
      seed: seed)
  }

  /// Lets both sides do `count` things in turn, on this thread.
  package func run(_ count: Int, _ random: inout SeededGenerator) throws {
    for _ in 0..<count {
      if Bool.random(using: &random) { try driver.step(&random) } else { try device.step(&random) }
    }
  }

  /// Lets everything that is in flight come back.
  package func finish() throws {
    for _ in 0..<4 {
      try driver.drain()
      try device.drain()
    }
    try driver.drain()
    guard driver.isEmpty else {
      throw MovingError("\(driver.load.next - driver.load.completed) buffers of \(driver.load.next) never came back")
    }
  }

  /// Adds and publishes until the ring is full.
  package func fill() throws {
    while try driver.addNext() {}
    driver.publish()
  }

  /// Lets `count` buffers of one segment go round, to bring indices near their wrap.
  package func goRound(_ count: UInt64) throws {
    while driver.load.completed < count {
      while driver.load.next < count, try driver.addNext() {}
      driver.publish()
      try device.drain()
      try driver.drain()
    }
  }
}

private struct Maker {
  let plan: MovingPlan
  let memory: MovingMemory
  let image: MovingQueue.Image?

  func make<Mapper: ResumableMapper & ~Copyable, Translator: DMATranslator & ~Copyable>(
    _ mapper: consuming Mapper, _ translator: consuming Translator
  ) throws -> (MovingDevice, MovingDriver) {
    var held: [HeldChain] = []
    func keep(_ chain: DeviceChain, _ segments: borrowing ChainSegments) {
      held.append((chain, segments.indices.map { segments[$0] }))
    }
    let configuration = plan.configuration
    let device: MovingDevice
    let driver: MovingDriver
    let (driverLoad, deviceLoad) = (image?.driverLoad, image?.deviceLoad)
    if plan.isPacked {
      let ring = try PackedRing(in: memory.ring, size: plan.size)
      if let image {
        driver = MovingDriverOf(
          plan, memory, driverLoad,
          try PackedDriverQueue.restored(from: image.driver, ring: ring, indirectTables: memory.tables, mapper: mapper))
        device = MovingDeviceOf(
          plan, deviceLoad,
          try PackedDeviceQueue.restored(from: image.device, ring: ring, translator: translator, keep))
      } else {
        driver = MovingDriverOf(
          plan, memory, nil,
          try PackedDriverQueue(configuration, ring: ring, indirectTables: memory.tables, mapper: mapper))
        device = MovingDeviceOf(
          plan, nil, try PackedDeviceQueue(configuration, ring: ring, translator: translator))
      }
    } else {
      let ring = try SplitRing(in: memory.ring, size: plan.size)
      if let image {
        driver = MovingDriverOf(
          plan, memory, driverLoad,
          try SplitDriverQueue.restored(from: image.driver, ring: ring, indirectTables: memory.tables, mapper: mapper))
        device = MovingDeviceOf(
          plan, deviceLoad,
          try SplitDeviceQueue.restored(from: image.device, ring: ring, translator: translator, keep))
      } else {
        driver = MovingDriverOf(
          plan, memory, nil,
          try SplitDriverQueue(configuration, ring: ring, indirectTables: memory.tables, mapper: mapper))
        device = MovingDeviceOf(
          plan, nil, try SplitDeviceQueue(configuration, ring: ring, translator: translator))
      }
    }
    device.chains = held
    return (device, driver)
  }
}
