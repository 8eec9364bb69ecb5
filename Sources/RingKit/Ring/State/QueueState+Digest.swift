extension QueueState {
  /// Of each field but the format, the version and the digests themselves, by its name.
  var digests: [String: UInt64] {
    var all: [String: UInt64] = [:]
    func add(_ field: Field, _ body: (inout StateDigest) -> Void) {
      // The name is part of it, so that equal values of two fields cannot change places.
      var digest = StateDigest()
      for byte in field.rawValue.utf8 { digest.add(UInt64(byte)) }
      body(&digest)
      all[field.rawValue] = digest.value
    }
    add(.role) { $0.add(role == .driver ? 0 : 1) }
    add(.layout) { $0.add(layout == .split ? 0 : 1) }
    add(.size) { $0.add(UInt64(bitPattern: Int64(size))) }
    add(.features) { $0.add(features.rawValue) }
    add(.indirectCapacity) { $0.add(UInt64(bitPattern: Int64(indirectCapacity))) }
    add(.isSecure) { $0.add(isSecure ? 1 : 0) }
    add(.ring) { $0.add(ring) }
    add(.tables) { $0.add(tables) }
    add(.added) { $0.add(UInt64(added)) }
    add(.returned) { $0.add(UInt64(returned)) }
    add(.available) { $0.add(available) }
    add(.used) { $0.add(used) }
    add(.batchRemaining) { $0.add(UInt64(batchRemaining)) }
    add(.batchLength) { $0.add(UInt64(batchLength)) }
    add(.unannounced) { $0.add(unannounced) }
    add(.suppression) { $0.add(UInt64(suppression)) }
    add(.free) { $0.add(free.map(UInt64.init)) }
    add(.inFlight) { digest in
      for buffer in inFlight {
        digest.add([buffer.token, UInt64(buffer.position)])
        digest.add(buffer.slots.map(UInt64.init))
        digest.add(buffer.table.map { [$0] } ?? [])
        digest.add(buffer.segments)
      }
    }
    add(.held) { digest in
      for chain in held {
        digest.add([UInt64(chain.id), UInt64(chain.descriptorCount)])
        digest.add(chain.segments)
      }
    }
    return all
  }
}
