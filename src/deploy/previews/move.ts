import { describeDuration } from '../../duration.ts'
import { type EndReason, isWanted, nameOf, type Preview, stands } from './preview.ts'
import type { PreviewRules } from './rules.ts'

/** What is to be done next about a preview. */
export type Move =
  | { readonly kind: 'rest' }
  | { readonly kind: 'end'; readonly why: EndReason }
  | { readonly kind: 'take-down' }
  | { readonly kind: 'hold'; readonly why: 'quota' | 'rights'; readonly detail: string; readonly next: string }
  | { readonly kind: 'begin' }
  /** What is packaged is deployed, and waited for. */
  | { readonly kind: 'deploy' }

export type Circumstances = {
  readonly rules: PreviewRules
  /** How many other previews of the project stand. */
  readonly others: number
  /** Whether who has pushed the newest version is a developer of the project. */
  readonly isByDeveloper: boolean
  readonly now: number
}

export const nextMove = (preview: Preview, around: Circumstances): Move => {
  const { rules, now } = around
  if (preview.status === 'ending') return { kind: 'take-down' }
  if (stands(preview)) {
    if (preview.change !== 'open') return { kind: 'end', why: preview.change }
    if (!rules.isEnabled) return { kind: 'end', why: 'disabled' }
    if (now >= preview.at + rules.maxAgeMs) return { kind: 'end', why: 'aged' }
  }
  if (isWanted(preview) && rules.isEnabled) return begin(preview, around)
  return preview.status === 'deploying' ? { kind: 'deploy' } : { kind: 'rest' }
}

const begin = (preview: Preview, { rules, others, isByDeveloper }: Circumstances): Move => {
  const named = `${preview.repository}/${preview.number}`
  if (!isByDeveloper && preview.askedVersion !== preview.version)
    return {
      kind: 'hold',
      why: 'rights',
      detail: `version ${preview.version} of ${nameOf(preview)} was pushed by ${preview.user ?? 'no person'}, who is no developer of ${preview.project}`,
      next: `a developer looks at what it does, then: headway previews start ${named}`,
    }
  if (!stands(preview) && others >= rules.quota)
    return {
      kind: 'hold',
      why: 'quota',
      detail: `${preview.project} has ${others} preview${others === 1 ? '' : 's'} already, and its quota is ${rules.quota}`,
      next: `it begins when one is freed: headway previews lists them, headway previews remove <change> takes one down`,
    }
  return { kind: 'begin' }
}

/** When it is taken down if nothing happens; null while nothing stands. */
export const expiryOf = (preview: Preview, { maxAgeMs }: PreviewRules): number | null =>
  stands(preview) ? preview.at + maxAgeMs : null

/** Why it was taken down, as people read it. */
export const describeEnd = (why: EndReason, { maxAgeMs }: PreviewRules): string =>
  ({
    merged: 'the change is merged',
    closed: 'the change is closed',
    aged: `nothing was pushed for ${describeDuration(maxAgeMs)}`,
    removed: 'somebody has taken it down',
    disabled: 'the project has previews no more',
  })[why]
