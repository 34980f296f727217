// As much of Drizzle as the docs' schemas use; the example app compiles with the real one.

interface Column<Value> {
  primaryKey(): Column<NonNullable<Value>>
}
type Columns = Record<string, Column<unknown>>
type Row<All extends Columns> = { [Name in keyof All]: All[Name] extends Column<infer Value> ? Value : never }
type Table = <All extends Columns>(name: string, columns: All) => { $inferSelect: Row<All> }

declare module 'drizzle-orm/sqlite-core' {
  export const sqliteTable: Table
  export function text(name: string): Column<string | null>
}

declare module 'drizzle-orm/pg-core' {
  export const pgTable: Table
  export function text(name: string): Column<string | null>
}

declare module 'drizzle-orm/mysql-core' {
  export const mysqlTable: Table
  export function varchar(name: string, options: { length: number }): Column<string | null>
}
