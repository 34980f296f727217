'use strict'

const SECTION = { address: 0x1000, offset: 0x200 }

/** The bytes of a library for Windows x64 that has nothing but imports: one function of each of these libraries. */
function windowsLibrary(imports) {
  const headers = Buffer.alloc(SECTION.offset)
  headers.write('MZ')
  headers.writeUInt32LE(0x40, 0x3c) // where the rest begins
  headers.write('PE\0\0', 0x40, 'latin1')
  headers.writeUInt16LE(0x8664, 0x44) // x64
  headers.writeUInt16LE(1, 0x46) // sections
  headers.writeUInt16LE(0xf0, 0x54) // bytes of the optional header
  headers.writeUInt16LE(0x2022, 0x56) // a library, of 64 bits
  const optional = 0x58
  headers.writeUInt16LE(0x20b, optional)
  headers.writeUInt32LE(0x1000, optional + 32) // how sections are aligned in memory, and in the file
  headers.writeUInt32LE(0x200, optional + 36)
  headers.writeUInt32LE(0x3000, optional + 56) // bytes in memory
  headers.writeUInt32LE(SECTION.offset, optional + 60) // bytes of these headers
  headers.writeUInt32LE(16, optional + 108) // directories, of which the second names the imports
  headers.writeUInt32LE(SECTION.address, optional + 120)
  const section = importsOf(imports)
  headers.writeUInt32LE(section.length, optional + 124)
  const entry = optional + 0xf0
  headers.write('.idata', entry)
  headers.writeUInt32LE(section.length, entry + 8)
  headers.writeUInt32LE(SECTION.address, entry + 12)
  headers.writeUInt32LE(section.length, entry + 16)
  headers.writeUInt32LE(SECTION.offset, entry + 20)
  headers.writeUInt32LE(0xc0000040, entry + 36) // data, to read and to write
  return Buffer.concat([headers, section])
}

/** A descriptor for each library and an empty one; behind them, for each, its list of functions and two names. */
function importsOf(libraries) {
  const BYTES = 0x100
  const first = Math.ceil((20 * (libraries.length + 1)) / BYTES) * BYTES
  const section = Buffer.alloc(Math.ceil((first + BYTES * libraries.length) / 0x200) * 0x200)
  libraries.forEach((library, index) => {
    const at = first + BYTES * index
    const address = SECTION.address + at
    section.writeUInt32LE(address, 20 * index) // the functions
    section.writeUInt32LE(address + 0x40, 20 * index + 12) // the library's name
    section.writeUInt32LE(address, 20 * index + 16) // where their addresses go
    section.writeUInt32LE(address + 0x20, at) // the one function, behind two bytes of a hint
    section.write('run', at + 0x22)
    section.write(library, at + 0x40)
  })
  return section
}

module.exports = { windowsLibrary }
