#pragma once
#include <sys/ioctl.h>
#include <unistd.h>

// ioctl is variadic and cannot be imported. The columns of the terminal at `fd`, 0 when it is none or does not say.
static inline int berth_terminal_columns(int fd) {
  struct winsize size = {0};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
