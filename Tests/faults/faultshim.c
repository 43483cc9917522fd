// A disk that fails at the Nth step: LD_PRELOADed into the binary under test, it stands between the process and the
// calls that change files below one directory, counts them, and does something bad at one of them.
//
//   BERTH_FAULT_DIR   calls on files below this directory count (sockets, logs and libraries do not)
//   BERTH_FAULT       MODE:N, where the Nth such call counts from 1:
//                       kill    the process dies before the call
//                       torn    the first half of a write reaches the file, then the process dies
//                       cut     the power goes: all that was written since each file's last flush is gone
//                       eio     the call fails with EIO, once
//                       enospc  the call fails with ENOSPC, once; a flush is not asked for room and goes through
//                       count   nothing bad; the note always tells the last call
//                       trace   nothing bad; the note becomes a journal of all that was changed and flushed, with the
//                               bytes, of which PowerCut.swift makes what a power cut at any moment could leave
//                     or MODE, where the trouble lasts as long as a file called $BERTH_FAULT_NOTE.on exists:
//                       hold    calls wait
//                       full    whatever needs room fails with ENOSPC
//                       sick    flushes fail with EIO
//   BERTH_FAULT_NOTE  a file that gets one line when the Nth call is reached: its number, what it was, on which file
//
// In mode `cut` every write first saves what it overwrites; a flush forgets what was saved for that file; the cut puts
// everything back in reverse order. That is the worst a disk may do with writes of which nobody asked for a flush;
// a disk may also keep some of them, which `kill` (keeps all) and `torn` (keeps half of the last) stand for. Renames and
// unlinked names are taken as lasting at once: their order is kept by the journal of every file system in use. In mode
// `trace` nothing is taken as lasting that nobody has asked a flush for.
//
// A record of the journal: what it is (one byte: C a new file, M a new directory, O a file emptied by opening it, W
// bytes, T another length, S a file flushed, Y a directory flushed, R renamed, U unlinked, D directory removed), three
// bytes of nothing, length of the path (32 bits), length of the bytes (64), number of the file (64), offset or length
// (64), the path below the directory (R: the old one, a zero, the new one), the bytes. All little-endian.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { OFF, COUNT, TRACE, KILL, TORN, CUT, EIO_ONCE, ENOSPC_ONCE, HOLD, FULL, SICK };

struct saved {
  struct saved *older;
  dev_t device;
  ino_t inode;
  char path[PATH_MAX];
  off_t offset, size_before;
  size_t length;
  char bytes[];
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static enum mode mode;
static long target, seen;
static char directory[PATH_MAX], note[PATH_MAX], on[PATH_MAX + 8];
static struct saved *undo;
static int journal = -1;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_ftruncate)(int, off_t);
static int (*real_rename)(const char *, const char *), (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t), (*real_fallocate)(int, off_t, off_t);
static int (*real_open)(const char *, int, ...), (*real_rmdir)(const char *);

static enum mode mode_named(const char *name) {
  static const char *names[] = {"off", "count", "trace", "kill", "torn", "cut", "eio", "enospc", "hold", "full", "sick"};
  for (int i = 0; i < 11; i++)
    if (strcmp(name, names[i]) == 0) return (enum mode)i;
  fprintf(stderr, "faultshim: no mode called %s\n", name);
  abort();
}

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  real_fsync = dlsym(RTLD_NEXT, "fsync");
  real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
  real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
  real_rename = dlsym(RTLD_NEXT, "rename");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_mkdir = dlsym(RTLD_NEXT, "mkdir");
  real_fallocate = dlsym(RTLD_NEXT, "posix_fallocate64");
  real_open = dlsym(RTLD_NEXT, "open64");
  real_rmdir = dlsym(RTLD_NEXT, "rmdir");
  const char *fault = getenv("BERTH_FAULT"), *where = getenv("BERTH_FAULT_DIR"), *to = getenv("BERTH_FAULT_NOTE");
  if (!fault || !where || !realpath(where, directory)) return;
  snprintf(note, sizeof note, "%s", to ? to : "");
  snprintf(on, sizeof on, "%s.on", note);
  char name[16];
  if (sscanf(fault, "%15[a-z]:%ld", name, &target) < 1) abort();
  mode = mode_named(name);
  if (mode == TRACE && (journal = real_open(note, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) < 0) abort();
}

static void write_note(const char *call, const char *path, int flags) {
  if (!note[0]) return;
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%ld %s %s\n", seen, call, path);
  int file = real_open(note, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  if (file < 0) return;
  if (real_write(file, line, (size_t)length) != length) abort();
  close(file);
}

// The path of a descriptor if it is below the directory.
static int below(int file, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strncmp(path, directory, strlen(directory)) == 0;
}

static int below_path(const char *path) {
  char parent[PATH_MAX], real[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash) *slash = 0;
  return realpath(slash ? parent : ".", real) && strncmp(real, directory, strlen(directory)) == 0;
}

// The path below the directory; empty for the directory itself.
static const char *inside(const char *path) {
  size_t length = strlen(directory);
  if (strncmp(path, directory, length) != 0) abort();
  return path[length] == '/' ? path + length + 1 : path + length;
}

static void record(char what, const char *path, size_t path_length, ino_t inode, off_t at, const void *bytes, size_t length) {
  if (mode != TRACE) return;
  char head[32] = {what};
  uint32_t short_length = (uint32_t)path_length;
  uint64_t words[3] = {length, inode, (uint64_t)at};
  memcpy(head + 4, &short_length, 4);
  memcpy(head + 8, words, 24);
  struct iovec parts[3] = {{head, sizeof head}, {(void *)path, path_length}, {(void *)bytes, length}};
  if (writev(journal, parts, 3) != (ssize_t)(sizeof head + path_length + length)) abort();
}

// What was done to an open file. The index of a write-ahead file is memory: nothing of it is kept, as in a power cut.
static void record_file(char what, int file, const char *path, off_t at, const void *bytes, size_t length) {
  struct stat status;
  if (mode != TRACE || strstr(path, "-shm") || fstat(file, &status) < 0) return;
  if (S_ISDIR(status.st_mode)) what = 'Y';
  const char *name = inside(path);
  record(what, name, strlen(name), status.st_ino, at, bytes, length);
}

// A path as the process wrote it, with its directory resolved, below the directory.
static const char *resolved(const char *path, char *real) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash) *slash = 0;
  if (!realpath(slash ? parent : ".", real)) abort();
  size_t length = strlen(real);
  snprintf(real + length, PATH_MAX - length, "/%s", slash ? slash + 1 : parent);
  return inside(real);
}

static void record_path(char what, const char *path) {
  struct stat status = {0};
  char real[PATH_MAX];
  if (mode != TRACE || strstr(path, "-shm")) return;
  const char *name = resolved(path, real);
  stat(path, &status);
  record(what, name, strlen(name), status.st_ino, 0, NULL, 0);
}

static void save(int file, const char *path, off_t offset, size_t length) {
  // The index of a write-ahead file is memory that happens to have a name; nobody reads it after a power cut.
  if (mode != CUT || strstr(path, "-shm")) return;
  struct stat status;
  if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode)) return;
  struct saved *entry = malloc(sizeof *entry + length);
  if (!entry) abort();
  entry->device = status.st_dev;
  entry->inode = status.st_ino;
  entry->offset = offset;
  entry->size_before = status.st_size;
  snprintf(entry->path, sizeof entry->path, "%s", path);
  ssize_t got = 0;
  int reader = real_open(path, O_RDONLY | O_CLOEXEC);
  if (reader >= 0) {
    got = pread(reader, entry->bytes, length, offset);
    close(reader);
  }
  entry->length = got > 0 ? (size_t)got : 0;
  entry->older = undo;
  undo = entry;
}

static void flushed(int file) {
  struct stat status;
  if (mode != CUT || fstat(file, &status) < 0) return;
  for (struct saved **at = &undo; *at;) {
    struct saved *entry = *at;
    if (entry->device == status.st_dev && entry->inode == status.st_ino) {
      *at = entry->older;
      free(entry);
    } else
      at = &entry->older;
  }
}

// A renamed file keeps its number, so what was saved for it is found under its new name.
static void renamed(const char *from, const char *to) {
  struct stat status;
  if (mode != CUT || stat(to, &status) < 0) return;
  (void)from;
  for (struct saved *entry = undo; entry; entry = entry->older)
    if (entry->device == status.st_dev && entry->inode == status.st_ino && !realpath(to, entry->path)) abort();
}

static void lose_unflushed(void) {
  for (struct saved *entry = undo; entry; entry = entry->older) {
    int file = real_open(entry->path, O_WRONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0) continue;
    if (fstat(file, &status) == 0 && status.st_ino == entry->inode) {
      if (real_pwrite(file, entry->bytes, entry->length, entry->offset) < 0) abort();
      if (real_ftruncate(file, entry->size_before) < 0) abort();
    }
    close(file);
  }
}

// What goes on for a while; nonzero: fail with this errno.
static int trouble(const char *call, const char *path, int needs_room, int is_flush) {
  if (access(on, F_OK) < 0 || (mode == FULL && !needs_room) || (mode == SICK && !is_flush)) return 0;
  write_note(call, path, O_APPEND);
  if (mode == FULL) return ENOSPC;
  if (mode == SICK) return EIO;
  while (access(on, F_OK) == 0) usleep(500);
  return 0;
}

// Counts a call; nonzero: fail with this errno.
static int step(const char *call, const char *path, int needs_room, int file, const void *bytes, size_t length, off_t at) {
  seen++;
  if (mode == TRACE) return 0;
  if (mode >= HOLD) return trouble(call, path, needs_room, strstr(call, "sync") != NULL);
  if (mode == COUNT) write_note(call, path, O_TRUNC);
  if (seen != target || mode == COUNT) return 0;
  if (mode == ENOSPC_ONCE && !needs_room) {
    target++;
    return 0;
  }
  write_note(call, path, O_APPEND);
  if (mode == EIO_ONCE) return EIO;
  if (mode == ENOSPC_ONCE) return ENOSPC;
  if (mode == TORN && bytes && length > 1) {
    ssize_t put = at < 0 ? real_write(file, bytes, length / 2) : real_pwrite(file, bytes, length / 2, at);
    (void)put;
  }
  if (mode == CUT) lose_unflushed();
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

#define ENTER()                                             \
  pthread_mutex_lock(&lock);                                \
  int fault = 0
#define LEAVE(result)                                       \
  int kept = errno;                                         \
  pthread_mutex_unlock(&lock);                              \
  errno = kept;                                             \
  return result
#define FAIL_OR(call) (fault ? (errno = fault, -1) : (call))

ssize_t write(int file, const void *bytes, size_t length) {
  char path[PATH_MAX];
  if (mode == OFF || !below(file, path)) return real_write(file, bytes, length);
  ENTER();
  fault = step("write", path, 1, file, bytes, length, -1);
  off_t at = lseek(file, 0, SEEK_CUR);
  if (!fault) save(file, path, at, length);
  ssize_t result = FAIL_OR(real_write(file, bytes, length));
  if (result > 0) record_file('W', file, path, at, bytes, (size_t)result);
  LEAVE(result);
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t at) {
  char path[PATH_MAX];
  if (mode == OFF || !below(file, path)) return real_pwrite(file, bytes, length, at);
  ENTER();
  fault = step("pwrite", path, 1, file, bytes, length, at);
  if (!fault) save(file, path, at, length);
  ssize_t result = FAIL_OR(real_pwrite(file, bytes, length, at));
  if (result > 0) record_file('W', file, path, at, bytes, (size_t)result);
  LEAVE(result);
}
ssize_t pwrite(int file, const void *bytes, size_t length, off_t at) { return pwrite64(file, bytes, length, at); }

int ftruncate64(int file, off64_t size) {
  char path[PATH_MAX];
  if (mode == OFF || !below(file, path)) return real_ftruncate(file, size);
  ENTER();
  fault = step("ftruncate", path, 1, file, NULL, 0, 0);
  struct stat status;
  if (!fault && fstat(file, &status) == 0)
    save(file, path, size, status.st_size > size ? (size_t)(status.st_size - size) : 0);
  int result = FAIL_OR(real_ftruncate(file, size));
  if (result == 0) record_file('T', file, path, size, NULL, 0);
  LEAVE(result);
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int posix_fallocate64(int file, off64_t at, off64_t length) {
  char path[PATH_MAX];
  if (mode == OFF || !below(file, path)) return real_fallocate(file, at, length);
  ENTER();
  fault = step("fallocate", path, 1, file, NULL, 0, 0);
  struct stat status;
  if (!fault) save(file, path, at, 0);
  int result = fault ? fault : real_fallocate(file, at, length);
  if (result == 0 && fstat(file, &status) == 0) record_file('T', file, path, status.st_size, NULL, 0);
  LEAVE(result);
}
int posix_fallocate(int file, off_t at, off_t length) { return posix_fallocate64(file, at, length); }

static int flush(int file, const char *call, int (*real)(int)) {
  char path[PATH_MAX];
  if (mode == OFF || !below(file, path)) return real(file);
  ENTER();
  fault = step(call, path, 0, file, NULL, 0, 0);
  int result = FAIL_OR(real(file));
  if (result == 0) flushed(file);
  if (result == 0) record_file('S', file, path, 0, NULL, 0);
  LEAVE(result);
}
int fsync(int file) { return flush(file, "fsync", real_fsync); }
int fdatasync(int file) { return flush(file, "fdatasync", real_fdatasync); }

int rename(const char *from, const char *to) {
  if (mode == OFF || !below_path(to)) return real_rename(from, to);
  ENTER();
  fault = step("rename", to, 1, -1, NULL, 0, 0);
  int result = FAIL_OR(real_rename(from, to));
  if (result == 0) renamed(from, to);
  if (result == 0 && mode == TRACE) {
    char old[PATH_MAX], new[PATH_MAX], both[2 * PATH_MAX];
    int length = snprintf(both, sizeof both, "%s", resolved(from, old));
    length += 1 + snprintf(both + length + 1, sizeof both - (size_t)length - 1, "%s", resolved(to, new));
    record('R', both, (size_t)length, 0, 0, NULL, 0);
  }
  LEAVE(result);
}

int unlink(const char *path) {
  if (mode == OFF || !below_path(path)) return real_unlink(path);
  ENTER();
  fault = step("unlink", path, 0, -1, NULL, 0, 0);
  int result = FAIL_OR(real_unlink(path));
  if (result == 0) record_path('U', path);
  LEAVE(result);
}

int mkdir(const char *path, mode_t permissions) {
  if (mode == OFF || !below_path(path)) return real_mkdir(path, permissions);
  ENTER();
  fault = step("mkdir", path, 1, -1, NULL, 0, 0);
  int result = FAIL_OR(real_mkdir(path, permissions));
  if (result == 0) record_path('M', path);
  LEAVE(result);
}

// Only what a journal wants to know; no mode fails here.
int rmdir(const char *path) {
  if (mode != TRACE || !below_path(path)) return real_rmdir(path);
  ENTER();
  int result = FAIL_OR(real_rmdir(path));
  if (result == 0) record_path('D', path);
  LEAVE(result);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t permissions = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (mode != TRACE || !(flags & (O_CREAT | O_TRUNC)) || !below_path(path)) return real_open(path, flags, permissions);
  ENTER();
  int existed = access(path, F_OK) == 0;
  int result = FAIL_OR(real_open(path, flags, permissions));
  if (result >= 0 && (!existed || flags & O_TRUNC)) record_path(existed ? 'O' : 'C', path);
  LEAVE(result);
}
int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t permissions = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open64(path, flags, permissions);
}
