// Spans and metrics for OpenTelemetry. It needs `@opentelemetry/api` in your app.

/**
 * Makes a span of each call from now on, of all connections of this process, as a child of the span that is active
 * where it is called; and metrics. Names and attributes follow OpenTelemetry's conventions for clients of databases;
 * `docs/observability.md` lists them. No id, no message and nothing else of your users is among them.
 *
 * Providers are looked for at the first call, so it does not matter whether your SDK starts before or after this.
 * Called again, it changes nothing.
 *
 * @returns A function that ends this. Calls that are on their way are still reported.
 *
 * @example
 * ```ts
 * // instrumentation.ts of a Next.js app
 * export async function register() {
 *   if (process.env.NEXT_RUNTIME === 'nodejs') {
 *     const { instrument } = await import('media-credits/opentelemetry')
 *     instrument()
 *   }
 * }
 * ```
 */
export function instrument(): () => void
