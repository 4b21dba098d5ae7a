import { evaluate, evaluateText, type Json, type Scope } from './expression.ts'
import type { Template } from './template.ts'

/** A template with all its expressions evaluated. `${{ insert }}` puts a mapping's entries into the one around it. */
export const evaluateTemplate = async (template: Template | undefined, scope: Scope): Promise<Json> => {
  switch (template?.kind) {
    case undefined:
    case 'insert':
      return null
    case 'literal':
      return template.value
    case 'expression':
      return evaluate(template.expression, scope)
    case 'sequence':
      return sequential(template.items, (item) => evaluateTemplate(item, scope))
    case 'mapping':
      return Object.fromEntries((await sequential(template.entries, (entry) => entriesOf(entry, scope))).flat())
  }
}

/** The same as text; undefined where there is none. */
export const textFrom = async (template: Template | undefined, scope: Scope): Promise<string | undefined> => {
  if (template === undefined) return undefined
  if (template.kind === 'expression') return evaluateText(template.expression, scope)
  const value = await evaluateTemplate(template, scope)
  return value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A mapping of text to text, such as an environment; names with an empty key are left out. */
export const textsFrom = async (template: Template | undefined, scope: Scope): Promise<Record<string, string>> => {
  if (template?.kind === 'expression') return asTexts(await evaluate(template.expression, scope))
  if (template?.kind !== 'mapping') return {}
  const texts: Record<string, string> = {}
  for (const { key, value } of template.entries) {
    if (key.kind === 'insert') Object.assign(texts, asTexts(await evaluateTemplate(value, scope)))
    else {
      const name = await textFrom(key, scope)
      if (name) texts[name] = (await textFrom(value, scope)) ?? ''
    }
  }
  return texts
}

/** A number of minutes, of rows; undefined where there is none. Throws when it is something else. */
export const numberFrom = async (template: Template | undefined, scope: Scope): Promise<number | undefined> => {
  const text = await textFrom(template, scope)
  if (text === undefined || text.trim() === '') return undefined
  const number = Number(text)
  if (!Number.isFinite(number)) throw new Error(`a number was expected, not "${text}"`)
  return number
}

/** A yes or no; undefined where there is none. Throws when it is something else. */
export const flagFrom = async (template: Template | undefined, scope: Scope): Promise<boolean | undefined> => {
  const value = await evaluateTemplate(template, scope)
  if (value === null || value === '') return undefined
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  throw new Error(`true or false was expected, not "${String(value)}"`)
}

const entriesOf = async (
  { key, value }: { key: Template; value: Template },
  scope: Scope,
): Promise<(readonly [string, Json])[]> => {
  const evaluated = await evaluateTemplate(value, scope)
  if (key.kind === 'insert') return Object.entries(asTexts(evaluated))
  return [[(await textFrom(key, scope)) ?? '', evaluated]]
}

const asTexts = (value: Json): Record<string, string> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, item === null ? '' : String(item)]))
    : {}

const sequential = async <Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = []
  for (const item of items) results.push(await work(item))
  return results
}
