/** How many jobs run at the same time. Each gets a number below that, which no other has meanwhile; first come, first served. */
export type Slots = {
  /** Waits for a slot. Rejects with the signal's reason when it aborts before there is one. */
  take(signal: AbortSignal): Promise<Slot>
}
export type Slot = { readonly number: number; release(): void }

export const createSlots = (count: number): Slots => {
  const free = Array.from({ length: count }, (_, number) => number)
  const waiting: ((number: number) => void)[] = []
  const slot = (number: number): Slot => {
    let isHeld = true
    return {
      number,
      release: () => {
        if (!isHeld) return
        isHeld = false
        const next = waiting.shift()
        if (next) next(number)
        else free.push(number)
      },
    }
  }
  return {
    take: async (signal) => {
      signal.throwIfAborted()
      const number = free.shift()
      if (number !== undefined) return slot(number)
      return new Promise((resolve, reject) => {
        const give = (given: number): void => {
          signal.removeEventListener('abort', leave)
          resolve(slot(given))
        }
        const leave = (): void => {
          waiting.splice(waiting.indexOf(give), 1)
          reject(signal.reason)
        }
        waiting.push(give)
        signal.addEventListener('abort', leave, { once: true })
      })
    },
  }
}
