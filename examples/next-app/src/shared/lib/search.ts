/** What a page is asked for in its address: text, which goes to the models as it is. */
export interface Search {
  page?: string
  pageSize?: string
  type?: string
  status?: string
}

/** The same page, asked for in another way. */
export function addressOf(search: Search): string {
  const parts = Object.entries(search).filter(([, value]) => value)
  return `?${new URLSearchParams(parts)}`
}
