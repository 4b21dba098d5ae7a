import { z } from 'zod'

const longestRef = 200
const mostUpdates = 500

/** Controls, and what turns the direction of text or has no width: two names that look the same must be the same. */
const invisible = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\uFFFD]/u

/** Why a ref may not be called so; null when it may. Stricter than Git: `refs/heads/` and `refs/tags/` only, nothing invisible. */
export const refuseRefName = (ref: string): string | null => {
  const name = /^refs\/(?:heads|tags)\/(.+)$/s.exec(ref)?.[1]
  const shown = showRef(ref)
  if (name === undefined)
    return `${shown}: only branches (refs/heads/...) and tags (refs/tags/...) can be pushed; give it a branch name`
  if (invisible.test(ref)) return `${shown}: the name holds invisible or control characters; rename it`
  if (Buffer.byteLength(ref) > longestRef)
    return `${shown}: the name is longer than ${longestRef} bytes; give it a shorter one`
  if (/^(HEAD|FETCH_HEAD|ORIG_HEAD|MERGE_HEAD|refs)(\/|$)/i.test(name) || name.startsWith('-') || /^@(\/|$)/.test(name))
    return `${shown}: the name means something else to Git; give it another one`
  return null
}

/** The name of a branch as it comes from outside: `main`, without `refs/heads/`. */
export const BranchName = z
  .string()
  .refine((name) => refuseRefName(`refs/heads/${name}`) === null, 'this cannot be a branch')

/** Why this many refs, or these names, may not be pushed at once; empty when they may. */
export const refuseRefNames = (refs: readonly string[]): string[] =>
  refs.length > mostUpdates
    ? [`${refs.length} refs in one push, and at most ${mostUpdates} are taken: push fewer at once`]
    : refs.flatMap((ref) => refuseRefName(ref) ?? [])

/** A ref name that may be anything, as it can be printed. */
export const showRef = (ref: string): string => {
  const visible = ref.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, '\uFFFD')
  return visible.length > 80 ? `${visible.slice(0, 80)}…` : visible
}
