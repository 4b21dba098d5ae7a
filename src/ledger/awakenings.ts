import type { Ledger } from './ledger.ts'

/** Yields at once and after every append, of one of these types if they are given; one that comes meanwhile is not lost. Ends when the signal aborts. */
export async function* awakenings(
  ledger: Pick<Ledger, 'onAppend'>,
  signal: AbortSignal,
  types?: readonly string[],
): AsyncGenerator<void> {
  let next = Promise.withResolvers<void>()
  const wake = (): void => next.resolve()
  const unsubscribe = ledger.onAppend(wake, types)
  signal.addEventListener('abort', wake)
  try {
    while (!signal.aborted) {
      yield
      await next.promise
      next = Promise.withResolvers<void>()
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', wake)
  }
}
