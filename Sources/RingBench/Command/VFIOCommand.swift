#if Bench
import ArgumentParser
import BenchHarness
import BenchPaths
import BenchReport
import RingIOMMU
import RingKit
import RingPlatform

/// `ringbench vfio`: a virtio-blk device driven from here, through the machine's own IOMMU.
struct VFIOCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vfio",
    abstract: "Drives a virtio-blk PCI device through VFIO: mapped once, mapped for each buffer, or bounced.",
    discussion: """
      The device must belong to vfio-pci:
        echo vfio-pci > /sys/bus/pci/devices/BDF/driver_override
        echo BDF > /sys/bus/pci/drivers/virtio-pci/unbind; echo BDF > /sys/bus/pci/drivers_probe

      Each path reads the same random blocks, which must come out the same; with --overwrite they are written first. At the \
      end the device is made to reach for memory that was taken away from it, which must show as a fault.

      Example:
        ringbench vfio --device 0000:00:04.0 --path premapped,iommu-real --requests 10000
      """)

  @OptionGroup var options: VFIOOptions

  func run() throws {
    let destination = try options.report.destination()
    let parameters = try options.parameters()
    let progress = Progress()
    Interrupt.install()
    let report: VFIOReport
    do {
      let (group, rows, fault) = try VFIOMeasurement(parameters).run(progress: progress)
      report = VFIOReport(machine: .read(), parameters: parameters, group: group, rows: rows, fault: fault)
    } catch let error as BenchError {
      throw error
    } catch let error as VFIOError {
      throw BenchError.machine("\(error)")
    } catch {
      // The queue's, the mapper's: something did not behave as it must.
      throw BenchError.check("\(error)")
    }
    progress.clear()
    try destination.write(report) { report.text() }
    if let fault = report.fault, !fault.isReported {
      throw BenchError.check("an access to \(fault.iova) after unmap was reported by nobody")
    }
  }
}
#endif
