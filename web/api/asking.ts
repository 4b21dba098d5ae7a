/** How often that is asked again which no fact tells of. */
export const tickMs = 5_000

/** What was found before stands until what is typed is answered, but not that of another project. */
export const keptIn =
  (project: string) =>
  <Data>(before: Data | undefined, query: { readonly queryKey: readonly unknown[] } | undefined): Data | undefined =>
    query?.queryKey[1] === project ? before : undefined

export const inProject = (project: string) => ({ param: { project } })
