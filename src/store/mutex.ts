/** Lets one after the other in, in the order they came. */
export type Mutex = {
  /** Resolves with the way out once everybody before has left. */
  enter(): Promise<() => void>
}

export const createMutex = (): Mutex => {
  let last: Promise<void> = Promise.resolve()
  return {
    enter: async () => {
      const before = last
      const { promise, resolve } = Promise.withResolvers<void>()
      last = promise
      await before
      return resolve
    },
  }
}
