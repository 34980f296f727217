// The types for ES modules, which have no default export.
export * from '../index.js'
