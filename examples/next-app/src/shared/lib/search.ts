/** A page's query parameters. Their text goes to the models unchanged. */
export interface Search {
  page?: string
  pageSize?: string
  type?: string
  status?: string
}

/** The address of the same page with these query parameters. */
export function addressOf(search: Search): string {
  const parts = Object.entries(search).filter(([, value]) => value)
  return `?${new URLSearchParams(parts)}`
}
