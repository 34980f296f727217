'use strict'

/** Loaded into each process of the server: the route opens the contestant with the first request. */

const { load } = require('../contestants')

const { BENCH_CONTESTANT: name, BENCH_FILE: file } = process.env
let opened

globalThis.openContestant = () => (opened ??= load(name).open({ file, durability: 'full' }))
