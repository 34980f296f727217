// Of the app's own models, what the docs' blocks import.

declare module '@/shared/models/config' {
  export function getAllConfigs(): Promise<Record<string, string>>
}

declare module '@/shared/models/user' {
  export type User = { id: string; email: string }
}
