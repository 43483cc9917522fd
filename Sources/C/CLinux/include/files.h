#pragma once
#include <dirent.h>
#include <stdio.h>
#include <string.h>

// Variadic calls and macros that the importer cannot see.
static inline int berth_open(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC, mode); }

static inline int berth_is_directory(mode_t mode) { return S_ISDIR(mode); }
static inline int berth_is_regular(mode_t mode) { return S_ISREG(mode); }

// A lock of the open file description: gone with the last descriptor, seen by other opens in the same process too.
static inline int berth_lock(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(fd, F_OFD_SETLK, &lock);
}

static inline int berth_unlock(int fd) {
  struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
  return fcntl(fd, F_OFD_SETLK, &lock);
}

// 1 when another open file description holds the lock, 0 when nobody does, -1 on error.
static inline int berth_is_locked(int fd) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -1;
  return lock.l_type != F_UNLCK;
}
