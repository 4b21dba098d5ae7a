import { useRouteContext } from '@tanstack/react-router'
import { useState } from 'react'
import { Refusal } from '../api/refusal.ts'
import { t } from '../texts/en.ts'

/** Does something that may be refused: whether it is under way, and what was said when it was. */
export const useAct = () => {
  const { session } = useRouteContext({ from: '__root__' })
  const [isWorking, setIsWorking] = useState(false)
  const [refusal, setRefusal] = useState<Refusal | null>(null)
  const act = async <Result>(work: () => Promise<Result>): Promise<Result | null> => {
    setIsWorking(true)
    setRefusal(null)
    try {
      return await work()
    } catch (error) {
      session.heed(error)
      setRefusal(refusalIn(error))
      return null
    } finally {
      setIsWorking(false)
    }
  }
  return { isWorking, refusal, act }
}

const refusalIn = (error: unknown): Refusal => {
  if (!(error instanceof Refusal)) return new Refusal({ kind: 'web', status: 0, detail: String(error), next: null })
  if (error.status !== 401) return error
  // What the API says then is for programs. This is read once somebody has signed in again.
  return new Refusal({ kind: error.kind, status: 401, detail: t.states.sessionOver, next: t.states.sessionOverNext })
}

export const textOf = (data: FormData, name: string): string => String(data.get(name) ?? '').trim()
