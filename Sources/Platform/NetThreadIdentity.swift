internal import CLinux

/// Which thread is running, for asking "am I on the loop's thread?".
package enum ThreadIdentity {
  /// A number that no other living thread has; never 0.
  package static var current: UInt { UInt(pthread_self()) }
}
