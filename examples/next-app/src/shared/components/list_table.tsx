import Link from 'next/link'
import type { ReactNode } from 'react'
import { addressOf, type Search } from '@/shared/lib/search'

/** The columns: each title, with the content of its cell for a row. */
export type Columns<Row> = Record<string, (row: Row) => ReactNode>

/** A page of rows, with tabs above and a pager below. */
export function ListTable<Row extends { id: string }>({
  title,
  columns,
  rows,
  total,
  search,
  limit,
  tabs,
}: {
  title: string
  columns: Columns<Row>
  rows: Row[]
  /** The number of rows on all pages. */
  total: number
  search: Search
  limit: string
  /** The search of each tab, by its name. */
  tabs: Record<string, Search>
}) {
  const titles = Object.keys(columns)
  return (
    <section className="panel" aria-label={title}>
      <h2>{title}</h2>
      <nav className="pages" aria-label="Kinds">
        {Object.entries(tabs).map(([name, to]) => (
          <Link key={name} href={addressOf(to)} prefetch={false}>
            {name}
          </Link>
        ))}
      </nav>
      <div className="list" tabIndex={0} role="group" aria-label={`${title}, scrollable`}>
        <table>
          <thead>
            <tr>
              {titles.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                {titles.map((name) => (
                  <td key={name}>{columns[name]!(row)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length === 0 && <p className="empty">Nothing here.</p>}
      <Pager search={search} pages={Math.ceil(total / Number(limit))} />
    </section>
  )
}

function Pager({ search, pages }: { search: Search; pages: number }) {
  const page = Number(search.page || 1)
  const to = (number: number, label: string) => (
    <Link href={addressOf({ ...search, page: String(number) })} prefetch={false}>
      {label}
    </Link>
  )
  if (pages < 2 && page === 1) return null
  return (
    <nav className="pages" aria-label="Pages of the list">
      {page > 1 && to(page - 1, 'Previous')}
      <span>{`Page ${page} of ${pages}`}</span>
      {page < pages && to(page + 1, 'Next')}
    </nav>
  )
}
