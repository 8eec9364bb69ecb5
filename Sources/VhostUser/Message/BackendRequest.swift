/// What a back-end asks of a front-end over the channel that SET_BACKEND_REQ_FD gave it ("Back-end message types").
public enum BackendRequest: UInt32, Sendable, CaseIterable {
  /// VHOST_USER_BACKEND_IOTLB_MSG: a translation is missing, or does not permit the access.
  case iotlb = 1
  /// VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: the configuration space changed.
  case configChange = 2
}
