/** What stands behind the ? of an address, with some of it changed; what becomes undefined stands there no more. */
export const changedSearch = <Search extends object>(
  before: Search,
  change: { readonly [Key in keyof Search]?: Search[Key] | undefined },
): Search => {
  const after = { ...before }
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined) Reflect.deleteProperty(after, key)
    else Reflect.set(after, key, value)
  }
  return after
}
