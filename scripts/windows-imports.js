'use strict'

/**
 * Rejects a binary for Windows that needs a library which a new Windows 10 or 11 lacks, such as Visual C++'s
 * VCRUNTIME140.dll. GitHub's machines have that library, so a binary that needs it runs there.
 *
 * node scripts/windows-imports.js <binary>...   with the `objdump` of binutils, which reads Windows' files on Linux x64
 */

const { execFileSync } = require('node:child_process')

/** Parts of Windows 10 and 11, such as the C runtime, `ucrtbase`, and `api-ms-win-crt-*`, which refers to it. */
const OF_WINDOWS = new Set(
  'advapi32 bcrypt bcryptprimitives crypt32 kernel32 ncrypt ntdll ole32 secur32 shell32 ucrtbase user32 userenv ws2_32'
    .split(' ')
    .map((name) => `${name}.dll`),
)
const isOfWindows = (library) => OF_WINDOWS.has(library) || /^api-ms-win-[\w-]+\.dll$/.test(library)

function check(file) {
  const said = execFileSync('objdump', ['--private-headers', file], { encoding: 'utf8', maxBuffer: 1 << 28 })
  const libraries = [...said.matchAll(/^\s*DLL Name: (.+)$/gm)].map(([, name]) => name.trim().toLowerCase())
  if (!libraries.length) throw new Error(`${file}: objdump finds no imports in it`)
  const foreign = libraries.filter((library) => !isOfWindows(library))
  if (foreign.length) throw new Error(`${file} needs ${foreign.join(', ')}, not known as part of Windows 10`)
  console.log(`${file} needs ${libraries.join(', ')}`)
}

try {
  const files = process.argv.slice(2)
  if (!files.length) throw new Error('the binary is missing')
  for (const file of files) check(file)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
