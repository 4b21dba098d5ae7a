/**
 * Makes something when it is first asked for, once for all who ask. A failure is told to those who asked by then, and not remembered:
 * a file that could not be opened today can be opened tomorrow.
 */
export const lazily = <Made>(make: () => Promise<Made>): (() => Promise<Made>) => {
  let made: Promise<Made> | null = null
  return () => {
    made ??= make().catch((error: unknown) => {
      made = null
      throw error
    })
    return made
  }
}
