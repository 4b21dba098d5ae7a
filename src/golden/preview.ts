import { z } from 'zod'
import { EnvironmentName } from '../names.ts'

const longestMs = 86_400_000
const usualMs = 600_000

/** How the preview of a change is made; part of what a release keeps. */
export const PreviewPlan = z.strictObject({
  /** What its database holds at first: nothing, what a command puts there, or what stands in another environment. */
  fill: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('empty') }),
    z.strictObject({
      kind: z.literal('seed'),
      run: z.string().min(1),
      timeoutMs: z.number().positive().max(longestMs),
    }),
    z.strictObject({ kind: z.literal('copy'), from: EnvironmentName }),
  ]),
})
export type PreviewPlan = Readonly<z.infer<typeof PreviewPlan>>

export const expectedPreview = 'expected false, { seed: npm run seed } or { copy: staging }'
const command = z.string({ error: expectedPreview }).trim().min(1, expectedPreview).max(2000)

/** `preview:` as it is written. */
export const PreviewKey = z.union(
  [
    z.boolean({ error: expectedPreview }),
    z
      .strictObject({
        seed: command
          .optional()
          .describe('A shell line that fills the database once, after the migration: npm run seed.'),
        copy: EnvironmentName.optional().describe('The environment whose database is copied: staging.'),
      })
      .refine(({ seed, copy }) => seed === undefined || copy === undefined, 'expected seed or copy, not both'),
  ],
  { error: expectedPreview },
)

/** Null: the service is in no preview. */
export const definePreview = (key: z.infer<typeof PreviewKey> | undefined): PreviewPlan | null => {
  if (key === false) return null
  if (key === undefined || key === true) return usualPreview
  if (key.seed !== undefined) return { fill: { kind: 'seed', run: key.seed, timeoutMs: usualMs } }
  if (key.copy !== undefined) return { fill: { kind: 'copy', from: key.copy } }
  return usualPreview
}

/** A database of its own with nothing in it but what the migration makes. */
export const usualPreview: PreviewPlan = { fill: { kind: 'empty' } }
