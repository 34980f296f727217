'use strict'

/** Ends servers that a test started when the test's process has ended, even after `kill -9`. */

const { spawn } = require('node:child_process')

/**
 * A shell that waits until its standard input ends, which happens when the process at the other end does. First
 * the processes that would restart a server are killed. A server removes its file when it ends. If no process
 * reaps dead ones, its id stays.
 */
const SCRIPT = `
  read -r _
  while [ "$1" != servers ]; do
    pid=$(cat "$1" 2>/dev/null) && kill -KILL "$pid"
    shift
  done
  shift
  servers=
  while [ "$1" != folders ]; do
    pid=$(head -n 1 "$1" 2>/dev/null) && kill -QUIT "$pid" && kill -CONT "$pid"
    servers="$servers $1"
    shift
  done
  shift
  waits=0
  for file in $servers; do
    pid=$(head -n 1 "$file" 2>/dev/null)
    while [ -e "$file" ] && kill -0 "$pid" 2>/dev/null && [ $((waits += 1)) -lt 100 ]; do sleep 0.1; done
  done
  rm -rf "$@"`

/**
 * Watches servers whose process ids are in the first lines of files. Returns a function that ends the servers,
 * removes their folders, and resolves when both are done; it also happens when this process ends. `watchers` are
 * files with the ids of processes that start servers: they are killed first.
 */
function guard(pidFiles, folders, watchers = []) {
  const args = [...watchers, 'servers', ...[pidFiles].flat(), 'folders', ...folders]
  // In its own process group, which Ctrl-C in the terminal does not reach.
  const shell = spawn('sh', ['-c', SCRIPT, 'guard', ...args], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const gone = new Promise((resolve) => shell.once('close', resolve))
  shell.unref()
  shell.stdin.unref()
  return async () => {
    shell.ref()
    shell.stdin.end()
    await gone
  }
}

module.exports = { guard }
