import { useSyncExternalStore } from 'react'
import { Refusal } from './refusal.ts'

/** Whether the server still knows who sits here. A page whose session is over stays as it is, beneath the sign-in. */
export const createSession = () => {
  let isOver = false
  const listeners = new Set<() => void>()
  const become = (next: boolean): void => {
    if (isOver === next) return
    isOver = next
    for (const listener of listeners) listener()
  }
  return {
    /** Tells what went wrong when something was asked: it may be that nobody is signed in any more. */
    heed: (error: unknown): void => {
      if (error instanceof Refusal && error.status === 401) become(true)
    },
    /** Somebody has signed in. */
    begin: (): void => become(false),
    isOver: () => isOver,
    listen: (listener: () => void) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

export type Session = ReturnType<typeof createSession>

export const useIsOver = (session: Session): boolean => useSyncExternalStore(session.listen, session.isOver)
