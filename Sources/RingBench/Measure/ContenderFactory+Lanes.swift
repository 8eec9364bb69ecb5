import RingKit

extension ContenderFactory {
  /// A contender of as many queues as were asked for, over one domain or one pool.
  mutating func makeAll<Counter: WorkCounter>(_ key: CostKey, counter: Counter) throws(BenchError) -> Contender {
    guard parameters.queues > 1 else { return try make(key, counter: counter) }
    let whole = parameters
    defer {
      parameters = whole
      lane = 0
      sharedDomain = nil
    }
    let domain = domain()
    sharedDomain = domain
    var lanes: [Contender] = []
    for (number, cpus) in whole.laneCPUs.enumerated() {
      lane = number
      (parameters.driverCPU, parameters.deviceCPU) = cpus
      lanes.append(try make(key, counter: counter))
    }
    let pool = key.path == .swiotlb ? guest.pool : nil
    let isTranslated = [.iommuStrict, .iommuLazy, .hybrid].contains(key.path)
    return Contender(lanes: lanes, threads: whole.queueThreads, label: key.label) {
      if let pool { return ["swiotlbLockWaits": pool.lockWaits] }
      guard isTranslated else { return [:] }
      let waits = domain.lockWaits
      return [
        "iovaMagazineLockWaits": waits.magazines, "iovaDepotLockWaits": waits.depots, "iovaTreeLockWaits": waits.tree,
        "invalidationLockWaits": waits.invalidationQueue,
      ]
    }
  }
}
