// What Drizzle infers from an app's schema: `$inferSelect` and `$inferInsert`.

export type AppMediaTask = {
  id: string
  userId: string
  platform: string
  videoUrl: string
  thumbnailUrl: string | null
  title: string | null
  author: string | null
  duration: number | null
  likes: number | null
  views: number | null
  shares: number | null
  publishedAt: Date | null
  sourceLang: string | null
  targetLang: string | null
  status: string
  progress: number
  srtUrl: string | null
  translatedSrtUrl: string | null
  resultVideoUrl: string | null
  errorMessage: string | null
  subtitleRaw: string | null
  subtitleTranslated: string | null
  videoUrlInternal: string | null
  expiresAt: Date | null
  outputType: string | null
  creditId: string | null
  isFreeTrial: boolean | null
  createdAt: Date
  updatedAt: Date
  deletedAt: Date | null
  // The app's own JSON column.
  scenes: { at: number }[] | null
}

type Needed = 'id' | 'userId' | 'platform' | 'videoUrl'

export type AppNewMediaTask = Pick<AppMediaTask, Needed> & {
  [Column in Exclude<keyof AppMediaTask, Needed>]?: AppMediaTask[Column] | undefined
}

export type AppCredit = {
  id: string
  userId: string
  userEmail: string | null
  orderNo: string | null
  subscriptionNo: string | null
  transactionNo: string
  transactionType: string
  transactionScene: string | null
  credits: number
  remainingCredits: number
  description: string | null
  expiresAt: Date | null
  status: string
  createdAt: Date
  updatedAt: Date
  deletedAt: Date | null
  consumedDetail: string | null
  metadata: string | null
  // The app's own column.
  tenant: string | null
}
