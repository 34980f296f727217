// The parts of an app around its models that their callers use. Nothing here runs.

import type { drizzle } from 'drizzle-orm/postgres-js'
import type { UserRow } from './schema'

export declare function db(): ReturnType<typeof drizzle>

/** A user's row with the app's other fields. */
export type AppUser = UserRow & {
  isAdmin?: boolean
  credits?: { remainingCredits: number; expiresAt: Date | null }
}

export declare function getUserInfo(): Promise<AppUser | undefined>
export declare function findUserById(id: string): Promise<UserRow | undefined>
export declare function getUuid(): string
export declare function getSnowId(): string
export declare function respData(data: unknown): Response
export declare function respErr(message: string): Response

/** The search parameters of a page: text, although their type differs. */
export type SearchParams = Promise<{ page?: number; pageSize?: number; type?: string }>

export interface Table {
  columns: {
    name: string
    title?: string
    type?: 'copy' | 'label' | 'time' | 'user' | 'json_preview' | 'dropdown'
    callback?: (item: any) => unknown
  }[]
  data: any[]
  pagination?: { total: number; page: number; limit: number }
}

/** The statuses of a provider's task, the app's own enum. */
export enum ProviderStatus {
  PENDING = 'pending',
  PROCESSING = 'processing',
  SUCCESS = 'success',
  FAILED = 'failed',
  CANCELED = 'canceled',
}

export interface ProviderResult {
  taskStatus: ProviderStatus
  taskId: string
  taskInfo?: { errorMessage?: string; images?: { imageUrl: string }[] }
  taskResult?: any
}

export declare function askProvider(call: {
  taskId?: string
  mediaType?: string
  model?: string
}): Promise<ProviderResult>

/** The data of a video's page. Numbers may be text. */
export interface MediaData {
  platform: 'youtube' | 'tiktok'
  title: string
  author?: string
  likes?: number
  views?: number
  duration?: number
  publishedAt?: Date
  sourceLang?: string
  subtitleRaw?: string
}

export declare function fetchMedia(url: string): Promise<MediaData>

export interface Order {
  orderNo: string
  userId: string
  userEmail: string | null
  paymentType: string | null
  creditsAmount: number | null
  creditsValidDays: number | null
}
