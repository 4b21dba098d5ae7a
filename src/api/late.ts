import type { OpenAPIHono } from '@hono/zod-openapi'
import type { ApiEnv } from './guard.ts'

// biome-ignore lint/suspicious/noExplicitAny: each carries the schema of its own routes
export type Routes = OpenAPIHono<ApiEnv, any, any>

/**
 * Routes that are loaded when the first request comes of which the path has one of these words in it (`changes` for
 * `/projects/shop/changes/3`), so that an idle server holds no schema of a body that nobody sent. A word too many loads them early, a
 * word too few never: a test compares.
 */
export type LateRoutes = {
  readonly words: readonly string[]
  load(): Promise<Routes>
}

/** Those of which a path (`/api/v1/projects/shop/changes/3`) may be. */
export const routesFor = (all: readonly LateRoutes[], path: string): readonly LateRoutes[] => {
  const said = new Set(path.split('/'))
  return all.filter(({ words }) => words.some((word) => said.has(word)))
}
