/*
 * SQLite calls fcntl through a pointer to a variadic function, and only C can define one. This one
 * takes the lock commands apart and leaves everything else to the system. See mod.rs for why.
 */

#include <fcntl.h>
#include <stdarg.h>

/* In Rust: sends the lock through the file's one lock descriptor. */
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
