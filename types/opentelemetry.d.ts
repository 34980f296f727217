// Spans and metrics for OpenTelemetry. It needs `@opentelemetry/api` in your app.

/**
 * Starts to report all calls of all connections of this process: a span for each call, as a child of the active span,
 * and metrics. Names and attributes follow OpenTelemetry's conventions for database clients; `docs/observability.md`
 * lists them. They contain no ids, error messages or other data about users.
 *
 * Providers are looked up at the first call, so your SDK may start before or after this. A second call changes nothing.
 *
 * @returns A function that stops the reports. Calls in progress are still reported.
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
