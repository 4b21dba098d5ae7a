/** Never twice at once; asked for while it runs, it runs once more afterwards. */
export const serially = (act: () => Promise<void>): (() => Promise<void>) => {
  let running: Promise<void> | null = null
  let again: Promise<void> | null = null
  const run = (): Promise<void> => {
    if (running) {
      again ??= running
        .catch(() => {})
        .then(() => {
          again = null
          return run()
        })
      return again
    }
    running = act().finally(() => {
      running = null
    })
    return running
  }
  return run
}
