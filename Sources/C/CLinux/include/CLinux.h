#pragma once
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Not _GNU_SOURCE: the system module that Swift imports is built without it, and two definitions of one struct do not
   mix. What glibc hides behind it is declared here. */
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int pthread_setname_np(pthread_t thread, const char *name);
#ifndef F_OFD_GETLK
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#endif

#include "files.h"
#include "terminal.h"

extern char **environ;
static inline char **berth_environment(void) { return environ; }

/* SIG_IGN is a cast, which does not import. */
static inline void berth_ignore_broken_pipes(void) { signal(SIGPIPE, SIG_IGN); }

static inline int berth_errno(void) { return errno; }

static inline int berth_accept(int fd) { return accept4(fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC); }

static inline int berth_accept_from(int fd, struct sockaddr *peer, socklen_t *length) {
  return accept4(fd, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* glibc declares these with transparent unions, which do not import. */
static inline int berth_bind(int fd, const struct sockaddr *address, socklen_t length) {
  return bind(fd, address, length);
}

static inline int berth_connect(int fd, const struct sockaddr *address, socklen_t length) {
  return connect(fd, address, length);
}

static inline int berth_socket_name(int fd, struct sockaddr *address, socklen_t *length) {
  return getsockname(fd, address, length);
}

static inline int berth_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}
