#pragma once
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// ioctl is variadic and cannot be imported. The columns of the terminal at `fd`, 0 when it is none or does not say.
static inline int berth_terminal_columns(int fd) {
  struct winsize size = {0};
  return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

// Shows or hides what is typed at the terminal `fd`; 0 when it is none.
static inline int berth_terminal_echo(int fd, int on) {
  struct termios mode;
  if (tcgetattr(fd, &mode) != 0) return 0;
  if (on) mode.c_lflag |= ECHO; else mode.c_lflag &= ~(tcflag_t)ECHO;
  return tcsetattr(fd, TCSAFLUSH, &mode) == 0;
}
