/// Stands for the module until it has members.
public enum TestSupport {}
