'use strict'

/** Prisma's client of a schema without models, as `prisma generate` writes it. */

const { getPrismaClient } = require('@prisma/client/runtime/client')
const { PrismaPg } = require('@prisma/adapter-pg')

const COMPILER = '@prisma/client/runtime/query_compiler_fast_bg.postgresql'

const PrismaClient = getPrismaClient({
  previewFeatures: [],
  clientVersion: require('@prisma/client/package.json').version,
  engineVersion: '0',
  activeProvider: 'postgresql',
  inlineSchema: 'datasource db { provider = "postgresql" }',
  runtimeDataModel: { models: {}, enums: {}, types: {} },
  parameterizationSchema: { strings: [], graph: 'AAAA' },
  compilerWasm: {
    getRuntime: async () => require(`${COMPILER}.js`),
    getQueryCompilerWasmModule: async () => {
      const { wasm } = require(`${COMPILER}.wasm-base64.js`)
      return new WebAssembly.Module(Buffer.from(wasm, 'base64'))
    },
    importName: './query_compiler_fast_bg.js',
  },
})

const prismaOf = (url) => new PrismaClient({ adapter: new PrismaPg({ connectionString: url, max: 8 }) })

module.exports = { prismaOf }
