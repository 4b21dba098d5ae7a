import { data } from '@actions/expressions'

type Value = data.ExpressionData

/**
 * Upstream faults: `Dictionary` ignores case, which an environment on Linux must not, and keeps its keys in a plain object,
 * so that a variable named `constructor` is lost. Mended by keeping them in a Map, under the key or its lower case.
 */
export class MappedDictionary extends data.Dictionary {
  private readonly byKey = new Map<string, { key: string; value: Value }>()
  private readonly keyOf: (key: string) => string

  constructor(entries: Iterable<readonly [string, Value]>, { isCaseSensitive }: { isCaseSensitive: boolean }) {
    super()
    this.keyOf = isCaseSensitive ? (key) => key : (key) => key.toLowerCase()
    for (const [key, value] of entries) this.add(key, value)
  }
  override add(key: string, value: Value): void {
    const at = this.keyOf(key)
    if (!this.byKey.has(at)) this.byKey.set(at, { key, value })
  }
  override get(key: string): Value | undefined {
    return this.byKey.get(this.keyOf(key))?.value
  }
  override values(): Value[] {
    return Array.from(this.byKey.values(), ({ value }) => value)
  }
  override pairs(): { key: string; value: Value }[] {
    return [...this.byKey.values()]
  }
}
