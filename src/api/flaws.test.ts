import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { flawsIn } from './flaws.ts'

const said = (schema: z.ZodType, value: unknown): string[] =>
  flawsIn(schema.safeParse(value).error?.issues ?? []).map(({ path, said }) => (path ? `${path}: ${said}` : said))

test('what a schema has against a value is said in words that need no knowledge of the validator', () => {
  const Limit = z.coerce.number().int().min(1).max(500)
  const Kind = z.discriminatedUnion('type', [
    z.object({ type: z.literal('run'), id: z.string().min(1).max(3) }),
    z.object({ type: z.literal('push'), commits: z.array(z.object({ at: z.union([z.number(), z.string()]) })) }),
  ])
  const cases: readonly (readonly [z.ZodType, unknown, readonly string[]])[] = [
    [z.object({ bucket: z.enum(['day', 'week']) }), { bucket: 'hour' }, ['bucket: is none of day and week']],
    [z.object({ limit: Limit }), { limit: 'many' }, ['limit: is no number']],
    [z.object({ limit: Limit }), { limit: '1.5' }, ['limit: is no whole number']],
    [z.object({ limit: Limit }), { limit: '0' }, ['limit: must be 1 or more']],
    [z.object({ limit: Limit }), { limit: '501' }, ['limit: must be 500 or less']],
    [z.number().positive(), 0, ['must be more than 0']],
    [Kind, { type: 'delivery' }, ['type: is none of run and push']],
    [Kind, { type: 'run' }, ['id: is missing']],
    [Kind, { type: 'run', id: '' }, ['id: is empty']],
    [Kind, { type: 'run', id: 'four' }, ['id: has more than 3 characters']],
    [Kind, { type: 'push', commits: 3 }, ['commits: is no list']],
    [Kind, { type: 'push', commits: [{ at: true }] }, ['commits.0.at: is no number, and is no text']],
    [Kind, { type: 'push', commits: [{}] }, ['commits.0.at: is missing']],
    [z.strictObject({}), { other: 1 }, ['has no field "other"']],
    [z.string().regex(/^a/, 'begins with no a'), 'b', ['begins with no a']],
  ]
  for (const [schema, value, expected] of cases) assert.deepEqual(said(schema, value), expected)
})
