/// Bits of a descriptor's `flags` field, for both layouts (virtio 1.2, 2.7.5 and 2.8.6).
@usableFromInline
enum DescriptorFlags {
  /// VIRTQ_DESC_F_NEXT: the buffer continues in another descriptor.
  @usableFromInline static var next: UInt16 { @inlinable get { 1 } }
  /// VIRTQ_DESC_F_WRITE: the device writes, otherwise it reads.
  @usableFromInline static var write: UInt16 { @inlinable get { 2 } }
  /// VIRTQ_DESC_F_INDIRECT: the element is a table of descriptors.
  @usableFromInline static var indirect: UInt16 { @inlinable get { 4 } }
  /// VIRTQ_DESC_F_AVAIL, packed rings only.
  @usableFromInline static var available: UInt16 { @inlinable get { 1 << 7 } }
  /// VIRTQ_DESC_F_USED, packed rings only.
  @usableFromInline static var used: UInt16 { @inlinable get { 1 << 15 } }
}
