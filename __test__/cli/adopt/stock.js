'use strict'

/** A minimal app of the kind that the package is for: two task tables, three models, some routes. */

const SCHEMA = `import { boolean, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

export const user = pgTable('user', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  email: text('email').notNull(),
  planType: text('plan_type'),
  freeTrialUsed: integer('free_trial_used').default(0),
});

export const credit = pgTable('credit', {
  id: text('id').primaryKey(),
  userId: text('user_id').notNull(),
  userEmail: text('user_email'),
  orderNo: text('order_no'),
  transactionNo: text('transaction_no').unique().notNull(),
  transactionType: text('transaction_type').notNull(),
  transactionScene: text('transaction_scene'),
  credits: integer('credits').notNull(),
  remainingCredits: integer('remaining_credits').notNull().default(0),
  description: text('description'),
  expiresAt: timestamp('expires_at'),
  status: text('status').notNull(),
  createdAt: timestamp('created_at').defaultNow().notNull(),
  consumedDetail: text('consumed_detail'),
  metadata: text('metadata'),
});

export const aiTask = pgTable('ai_task', {
  id: text('id').primaryKey(),
  userId: text('user_id').notNull(),
  mediaType: text('media_type').notNull(),
  provider: text('provider').notNull(),
  model: text('model').notNull(),
  prompt: text('prompt').notNull(),
  status: text('status').notNull(),
  costCredits: integer('cost_credits').notNull().default(0),
  scene: text('scene').notNull().default(''),
  creditId: text('credit_id'),
  createdAt: timestamp('created_at').defaultNow().notNull(),
});

export const mediaTasks = pgTable(
  'media_tasks',
  {
    id: text('id').primaryKey(),
    userId: text('user_id').notNull(),
    platform: text('platform').notNull(),
    videoUrl: text('video_url').notNull(),
    outputType: text('output_type'),
    status: text('status').notNull().default('pending'),
    progress: integer('progress').notNull().default(0),
    errorMessage: text('error_message'),
    targetLang: text('target_lang'),
    isFreeTrial: boolean('is_free_trial').default(false), // free of charge
    createdAt: timestamp('created_at').defaultNow().notNull(),
  },
  (table) => []
);
`

const CREDIT = `import { and, eq, gt, isNull, or, sql, sum } from 'drizzle-orm';

import { db } from '../../core/db';
import { credit } from '../../config/db/schema';
import { getUuid } from '../lib/hash';

import { appendUserToResult, User } from './user';

// What a grant and a charge have.
export type Credit = typeof credit.$inferSelect & {
  user?: User;
};
export type NewCredit = typeof credit.$inferInsert;

export enum CreditStatus {
  ACTIVE = 'active', // can be spent
  DELETED = 'deleted',
}

export enum CreditTransactionType {
  GRANT = 'grant',
  CONSUME = 'consume',
}

// when credits expire
export function calculateCreditExpirationTime({
  creditsValidDays,
  currentPeriodEnd,
}: {
  creditsValidDays: number;
  currentPeriodEnd?: Date;
}): Date | null {
  if (!creditsValidDays) return null;
  return currentPeriodEnd ?? new Date(Date.now() + creditsValidDays * 86400000);
}

// the app's own: a condition
export function notExpired() {
  return or(isNull(credit.expiresAt), gt(credit.expiresAt, new Date()));
}

export async function createCredit(newCredit: NewCredit) {
  const [result] = await db().insert(credit).values(newCredit).returning();
  return result;
}

/** A page of them. */
export async function getCredits({
  userId,
  status,
  getUser = false,
  page = 1,
  limit = 30,
}: {
  userId?: string;
  status?: CreditStatus;
  getUser?: boolean;
  page?: number;
  limit?: number;
}): Promise<Credit[]> {
  const result = await db()
    .select()
    .from(credit)
    .where(and(userId ? eq(credit.userId, userId) : undefined, status ? eq(credit.status, status) : undefined))
    .limit(limit)
    .offset((page - 1) * limit);
  if (getUser) return appendUserToResult(result);
  return result;
}

export async function consumeCredits({
  userId,
  credits,
  scene,
  description,
  metadata,
}: {
  userId: string;
  credits: number;
  scene?: string;
  description?: string;
  metadata?: string;
}) {
  return db().transaction(async (tx: any) => {
    const balance = await balanceOf(tx, userId);
    if (balance < credits) throw new Error('Insufficient credits');
    const charge: NewCredit = {
      id: getUuid(),
      transactionNo: getUuid(),
      transactionType: CreditTransactionType.CONSUME,
      transactionScene: scene,
      userId,
      status: CreditStatus.ACTIVE,
      description,
      credits: -credits,
      metadata,
    };
    await tx.update(credit).set({ remainingCredits: sql\`remaining_credits - \${credits}\` });
    await tx.insert(credit).values(charge);
    return charge;
  });
}

// only the two above and below ask it
async function balanceOf(tx: any, userId: string): Promise<number> {
  const [row] = await tx.select({ total: sum(credit.remainingCredits) }).from(credit).where(eq(credit.userId, userId));
  return parseInt(row?.total || '0');
}

export async function getRemainingCredits(userId: string): Promise<number> {
  return balanceOf(db(), userId);
}

// the app's own: a welcome
export async function grantCreditsForNewUser(user: User) {
  return createCredit({
    id: getUuid(),
    transactionNo: getUuid(),
    transactionType: CreditTransactionType.GRANT,
    userId: user.id,
    status: CreditStatus.ACTIVE,
    credits: 20,
    remainingCredits: 20,
  });
}
`

const AI_TASK = `import { eq } from 'drizzle-orm';

import { db } from '../../core/db';
import { aiTask, credit } from '../../config/db/schema';
import { appendUserToResult, User } from './user';

import { consumeCredits, CreditStatus } from './credit';

export type AITask = typeof aiTask.$inferSelect & {
  user?: User;
};
export type NewAITask = typeof aiTask.$inferInsert;

export async function createAITask(newAITask: NewAITask) {
  return db().transaction(async (tx: any) => {
    const [task] = await tx.insert(aiTask).values(newAITask).returning();
    if (newAITask.costCredits && newAITask.costCredits > 0) {
      const charge = await consumeCredits({ userId: newAITask.userId, credits: newAITask.costCredits });
      await tx.update(aiTask).set({ creditId: charge.id }).where(eq(aiTask.id, task.id));
    }
    return task;
  });
}

export async function findAITaskById(id: string) {
  const [result] = await db().select().from(aiTask).where(eq(aiTask.id, id));
  return result;
}

export async function updateAITaskById(id: string, updateAITask: Partial<NewAITask>) {
  return db().transaction(async (tx: any) => {
    if (updateAITask.status === 'failed' && updateAITask.creditId) {
      await tx.update(credit).set({ status: CreditStatus.DELETED }).where(eq(credit.id, updateAITask.creditId));
    }
    const [result] = await tx.update(aiTask).set(updateAITask).where(eq(aiTask.id, id)).returning();
    return result;
  });
}

export async function getAITasks({ userId, getUser = false }: { userId?: string; getUser?: boolean }): Promise<AITask[]> {
  const result = await db().select().from(aiTask).where(userId ? eq(aiTask.userId, userId) : undefined);
  return getUser ? appendUserToResult(result) : result;
}
`

const MEDIA_TASK = `import { and, eq, inArray, or } from 'drizzle-orm';

import { db } from '../../core/db';
import { mediaTasks } from '../../config/db/schema';

import { consumeCredits } from './credit';

export type MediaTask = typeof mediaTasks.$inferSelect;
export type NewMediaTask = typeof mediaTasks.$inferInsert;
export type UpdateMediaTask = Partial<Omit<NewMediaTask, 'id' | 'createdAt'>>;

/**
 * Creates a task and charges for it.
 */
export async function createMediaTask(newMediaTask: NewMediaTask, costCredits: number) {
  return db().transaction(async (tx: any) => {
    const [task] = await tx.insert(mediaTasks).values(newMediaTask).returning();
    if (costCredits > 0) await consumeCredits({ userId: newMediaTask.userId, credits: costCredits });
    return task;
  });
}

export async function findMediaTaskById(id: string) {
  const [result] = await db().select().from(mediaTasks).where(eq(mediaTasks.id, id));
  return result;
}

export async function updateMediaTaskById(id: string, updateMediaTask: UpdateMediaTask) {
  const [result] = await db().update(mediaTasks).set(updateMediaTask).where(eq(mediaTasks.id, id)).returning();
  return result;
}

export async function hasActiveMediaTask(userId: string): Promise<boolean> {
  const states = or(eq(mediaTasks.status, 'processing'), eq(mediaTasks.status, 'translating'));
  const [result] = await db().select().from(mediaTasks).where(and(eq(mediaTasks.userId, userId), states));
  return !!result;
}
`

const TRANSLATE = `import { consumeCredits, getRemainingCredits } from '../../shared/models/credit';
import { findMediaTaskById, updateMediaTaskById } from '../../shared/models/media_task';

export async function POST(request: Request) {
  const { taskId, targetLang } = await request.json();
  const task = await findMediaTaskById(taskId);
  if (!task || (await getRemainingCredits(task.userId)) < 5) return Response.json({ code: -1 });
  let charge = null;
  if (!task.isFreeTrial) {
    charge = await consumeCredits({ userId: task.userId, credits: 5, scene: 'payment' });
  }
  await updateMediaTaskById(taskId, { status: 'translating', targetLang });
  try {
    return Response.json({ code: 0 });
  } catch (error: any) {
    await updateMediaTaskById(taskId, { status: 'failed', errorMessage: \`no charge \${charge.id}\` });
    throw error;
  }
}
`

const NEXT_CONFIG = `import type { NextConfig } from 'next';

const withPlugin = (config: NextConfig) => config;

const nextConfig: NextConfig = {
  reactStrictMode: false,
  async redirects() {
    return [];
  },
};

export default withPlugin(nextConfig);
`

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    ...{ strict: true, noEmit: true, skipLibCheck: true, module: 'esnext', moduleResolution: 'bundler' },
    ...{ target: 'es2022', lib: ['es2022', 'dom'], types: [], esModuleInterop: true },
  },
  include: ['src/**/*.ts', 'next.config.ts', 'next.d.ts'],
})

/** The app's files. Its database is of no type, as that of older models. */
const STOCK = {
  'next.config.ts': NEXT_CONFIG,
  'next.d.ts': "declare module 'next' {\n  export type NextConfig = Record<string, unknown>;\n}\n",
  'tsconfig.json': TSCONFIG,
  'src/config/db/schema.ts': SCHEMA,
  'src/core/db/index.ts': 'export const db = (): any => undefined;\n',
  'src/shared/lib/hash.ts': "export const getUuid = () => '1';\n",
  'src/shared/models/user.ts': `import { user } from '../../config/db/schema';

export type User = typeof user.$inferSelect & { isAdmin?: boolean };

export const appendUserToResult = async (result: any[]): Promise<any[]> => result;
`,
  'src/shared/models/credit.ts': CREDIT,
  'src/shared/models/ai_task.ts': AI_TASK,
  'src/shared/models/media_task.ts': MEDIA_TASK,
  'src/app/translate/route.ts': TRANSLATE,
}

module.exports = { AI_TASK, CREDIT, MEDIA_TASK, NEXT_CONFIG, SCHEMA, STOCK, TRANSLATE }
