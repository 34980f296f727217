/*
 * SQLite calls fcntl through a pointer to a variadic function, which only C can define. This one passes
 * lock commands to Rust, and all others to the system. mod.rs has the reason.
 */

#include <fcntl.h>
#include <stdarg.h>

/* Defined in Rust: applies the lock to the one descriptor that holds the file's locks. */
int media_credits_lock(int descriptor, int command, struct flock *lock);

int media_credits_fcntl(int descriptor, int command, ...) {
  va_list rest;
  int result;
  va_start(rest, command);
  switch (command) {
    case F_SETLK:
    case F_SETLKW:
    case F_GETLK:
      result = media_credits_lock(descriptor, command, va_arg(rest, struct flock *));
      break;
    default:
      /* SQLite passes an int with every other command. */
      result = fcntl(descriptor, command, va_arg(rest, int));
  }
  va_end(rest);
  return result;
}
