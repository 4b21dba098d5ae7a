/** Lets one after the other in, in the order they came. */
export type Mutex = {
  /** Resolves with the way out once everybody before has left. */
  enter(): Promise<() => void>
  readonly taken: boolean
}

export const createMutex = (): Mutex => {
  let last: Promise<void> = Promise.resolve()
  let inside = 0
  return {
    enter: async () => {
      const before = last
      const { promise, resolve } = Promise.withResolvers<void>()
      last = promise
      inside += 1
      await before
      return () => {
        inside -= 1
        resolve()
      }
    },
    get taken() {
      return inside > 0
    },
  }
}
