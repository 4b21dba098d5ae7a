import { Problem } from '../problem.ts'

/** For an option or argument that is one of a few words. The error names it, what was said, and what can be. */
export const oneOf =
  <Word extends string>(name: string, words: readonly Word[]) =>
  (said: string): Word => {
    const found = words.find((word) => word === said)
    if (found !== undefined) return found
    throw new Problem({
      ...{ kind: 'invalid-value', status: 400, detail: `${name} is ${eitherOf(words)}, not "${said}"` },
      next: `write ${name} with one of them`,
    })
  }

/** For one that is a number between two, both included; `what` says of what: `an hour`, `a number of links`. */
export const numberFrom =
  (name: string, what: string, least: number, most: number, { isWhole = true }: { isWhole?: boolean } = {}) =>
  (said: string): number => {
    const value = said.trim() === '' ? Number.NaN : Number(said)
    if (value >= least && value <= most && (!isWhole || Number.isInteger(value))) return value
    throw new Problem({
      ...{ kind: 'invalid-value', status: 400, detail: `${name} is ${what} from ${least} to ${most}, not "${said}"` },
      next: `write one of them${isWhole ? ', without a fraction' : ''}`,
    })
  }

const eitherOf = (words: readonly string[]): string =>
  [words.slice(0, -1).join(', '), words.at(-1)].filter(Boolean).join(' or ')
