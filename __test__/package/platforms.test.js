'use strict'

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const { platforms, thisPlatform } = require('../../lib/native/platforms')
const { binaries, versions } = require('../../scripts/platforms/targets')

const { platform: ownPlatform, arch: ownArch } = process
const pretend = (platform, arch) =>
  Object.defineProperties(process, { platform: { value: platform }, arch: { value: arch } })

afterEach(() => {
  jest.restoreAllMocks()
  pretend(ownPlatform, ownArch)
})

/** The result of `thisPlatform` on a machine with these properties of a process. */
function onMachine({ platform = 'linux', arch = 'x64', mapped, glibc }) {
  pretend(platform, arch)
  jest.spyOn(fs, 'readFileSync').mockImplementation(() => {
    if (mapped === undefined) throw Object.assign(new Error('no /proc'), { code: 'ENOENT' })
    return mapped
      .map((file, at) => `7f00000${at}000-7f00000${at}800 r-xp 00000000 08:01 ${at}  ${file}\n`)
      .join('')
  })
  const report = jest.spyOn(process.report, 'getReport')
  report.mockReturnValue({ header: glibc === undefined ? {} : { glibcVersionRuntime: glibc } })
  return { name: thisPlatform(), reports: report.mock.calls.length }
}

const NODE = '/usr/local/bin/node'
const DEBIAN = '/usr/lib/x86_64-linux-gnu'

describe('the C library of Linux', () => {
  test.each([
    [
      'Debian',
      'gnu',
      [NODE, `${DEBIAN}/libstdc++.so.6.0.30`, `${DEBIAN}/libc.so.6`, `${DEBIAN}/ld-linux-x86-64.so.2`],
    ],
    ['CentOS 7', 'gnu', [NODE, '/usr/lib64/libc-2.17.so', '/usr/lib64/ld-2.17.so']],
    ['NixOS', 'gnu', ['/nix/store/a-nodejs/bin/node', '/nix/store/b-glibc-2.40/lib/libc.so.6']],
    ['a system whose glibc was updated meanwhile', 'gnu', [NODE, `${DEBIAN}/libc.so.6 (deleted)`]],
    [
      'glibc with musl installed, and mapped by another library',
      'gnu',
      [NODE, `${DEBIAN}/libc.so.6`, '/lib/ld-musl-x86_64.so.1'],
    ],
    ['Alpine', 'musl', [NODE, '/usr/lib/libstdc++.so.6.0.33', '/lib/ld-musl-x86_64.so.1']],
    [
      'Void, whose loader of musl is a link',
      'musl',
      [NODE, '/usr/lib/libstdc++.so.6.0.33', '/usr/lib/libc.so'],
    ],
    ['Debian with Node for musl', 'musl', [NODE, '/usr/lib/x86_64-linux-musl/libc.so']],
    ['Chimera', 'musl', ['/usr/bin/node', '/usr/lib/libc.musl-x86_64.so.1']],
    ['Alpine with gcompat', 'musl', [NODE, '/lib/libgcompat.so.0', '/lib/ld-musl-x86_64.so.1']],
    ['Alpine that was updated meanwhile', 'musl', [NODE, '/lib/ld-musl-x86_64.so.1 (deleted)']],
  ])('the C library of %s is %s, without a report', (system, libc, mapped) => {
    expect(onMachine({ mapped })).toEqual({ name: `linux-x64-${libc}`, reports: 0 })
  })

  test.each([
    ['without /proc, on glibc', 'gnu', { glibc: '2.36' }],
    ['without /proc, on musl', 'musl', {}],
    ['a statically linked Node, with glibc', 'gnu', { mapped: [NODE], glibc: '2.36' }],
    ['a statically linked Node, with musl', 'musl', { mapped: [NODE] }],
    ['an empty /proc', 'gnu', { mapped: [], glibc: '2.36' }],
    [
      'beside libraries with similar names',
      'gnu',
      { mapped: [NODE, '/lib/libc.so.d/x.so', '/a/libc.sodium'], glibc: '2.36' },
    ],
  ])('%s is %s, as Node reports', (machine, libc, shown) => {
    const { excludeNetwork } = process.report
    expect(onMachine(shown)).toEqual({ name: `linux-x64-${libc}`, reports: 1 })
    expect(process.report.excludeNetwork).toBe(excludeNetwork)
  })
})

describe('other platforms', () => {
  test.each([
    ['linux', 'arm', 'linux-arm-gnu'],
    ['linux', 'ia32', 'linux-ia32-gnu'],
    ['android', 'arm64', 'android-arm64'],
    ['freebsd', 'x64', 'freebsd-x64'],
    ['darwin', 'arm64', 'darwin-arm64'],
    ['win32', 'x64', 'win32-x64-msvc'],
  ])('%s %s is %s', (platform, arch, name) => {
    expect(onMachine({ platform, arch, mapped: ['/lib/libc.so.6'] }).name).toBe(name)
  })
})

describe('npm run platforms', () => {
  test('tests each platform that a Linux machine can run, except its own', () => {
    const possible = Object.entries(platforms).filter(([, { os }]) => os !== 'darwin')
    const expected = possible.map(([name]) => name).filter((name) => name !== 'linux-x64-gnu')
    expect(Object.keys(binaries).sort()).toEqual(expected.sort())
  })

  test('lists the names of the platforms', () => {
    const args = ['scripts/platforms/run.js', '--smoke', '--only', 'node-22,linux-x64']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    const names = [...Object.keys(binaries), ...Object.keys(versions)]
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toBe(`linux-x64 is none of ${names.join(', ')}\n`)
  })
})
