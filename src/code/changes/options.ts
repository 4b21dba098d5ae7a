import { plainText } from '../plain-text.ts'

/** What a push asks for with `-o change`, `-o title=...` and `-o target=...`. */
export type ChangeOptions = { readonly title: string | null; readonly target: string | null }

export const wantsChange = (options: readonly string[]): boolean => options.includes('change')

/** Whether a push option is one of these, so that nobody calls it unknown. */
export const isChangeOption = (option: string): boolean => /^(change$|title=|target=)/s.test(option)

/** What of them is recorded with the push: a title is personal text, and stands where it can be erased. */
export const withoutTitle = (options: readonly string[]): string[] =>
  options.filter((option) => !option.startsWith('title='))

export const readChangeOptions = (options: readonly string[]): ChangeOptions => {
  const last = (name: string): string | null => {
    const found = options.findLast((option) => option.startsWith(`${name}=`))
    return found === undefined ? null : found.slice(name.length + 1)
  }
  return { title: last('title'), target: last('target')?.replace(/^refs\/heads\//, '') ?? null }
}

export const longestTitle = 200

/** A title as one line that does nothing to a terminal; empty where nothing is left of it. */
export const titleOf = (text: string): string => plainText(text.trim()).trim().slice(0, longestTitle)
