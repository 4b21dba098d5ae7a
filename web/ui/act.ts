import { useState } from 'react'
import { Refusal } from '../api/refusal.ts'

/** Does something that may be refused: whether it is under way, and what was said when it was. */
export const useAct = () => {
  const [isWorking, setIsWorking] = useState(false)
  const [refusal, setRefusal] = useState<Refusal | null>(null)
  const act = async <Result>(work: () => Promise<Result>): Promise<Result | null> => {
    setIsWorking(true)
    setRefusal(null)
    try {
      return await work()
    } catch (error) {
      const isRefusal = error instanceof Refusal
      setRefusal(isRefusal ? error : new Refusal({ kind: 'web', status: 0, detail: String(error), next: null }))
      return null
    } finally {
      setIsWorking(false)
    }
  }
  return { isWorking, refusal, act }
}

export const textOf = (data: FormData, name: string): string => String(data.get(name) ?? '').trim()
