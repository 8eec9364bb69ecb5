/// What a guest says on its serial line after a load; a test changes one thing of it.
package func guestLines(
  bits: Set<Int> = [28, 29, 32], domain: String = "none", peak: Int = 0, left: Int = 0, more: String = ""
) -> [Substring] {
  let features = String((0..<64).map { bits.contains($0) ? "1" : "0" })
  let pass = "bytes=4096 ns=2000000 p50=10 p90=20 p99=30 p999=40 max=50 peak=\(peak)"
  let text = """
    [    0.0] something of the kernel's
    guest: begin 6.1.0-test, hypervisor KVM
    guest: features \(features)
    guest: iommu \(domain)
    load: op=write requests=400 \(pass)
    load: op=read requests=400 \(pass)
    guest: event map 7
    guest: io_tlb_used \(left) of 32768
    \(more)
    guest: exit 0
    """
  return text.split(separator: "\n")
}

/// What the guest says of the load after that, of which its kernel counts events.
package func guestTracedLines(peak: Int = 0) -> String {
  "guest: traced\n"
    + ["write", "read"].map {
      "load: op=\($0) requests=200 bytes=4096 ns=2000000 p50=10 p90=20 p99=30 p999=40 max=50 peak=\(peak)"
    }.joined(separator: "\n")
}

/// The same lines, or those of the plugin, as if frames had been exchanged instead of writes, and nothing read.
package func guestFrameLines(_ lines: [Substring]) -> [Substring] {
  var isRead = false
  return lines.filter { line in
    if line.hasPrefix("pass read") { isRead = true }
    return !isRead && !line.hasPrefix("load: op=read")
  }.map { line in
    guard let word = line.firstRange(of: "write") else { return line }
    return line[..<word.lowerBound] + "exchange" + line[word.upperBound...]
  }
}

/// What the plugin writes of 400 writes and 400 reads: 1,000 instructions of the kernel each, 400 of them bouncing.
package func guestCountLines(kernel: Int = 400_000) -> [Substring] {
  let passes = ["write", "read"].map { name in
    """
    pass \(name) kernel=\(kernel) user=80000 kernelRepeats=1600000 userRepeats=0
    at ffffffff81000010 200000 0
    at ffffffff81000ffe 40000 0
    at ffffffff81001000 160000 1600000
    end \(name)

    """
  }
  return passes.joined().split(separator: "\n")
}
