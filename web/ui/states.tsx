import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Refusal } from '../api/refusal.ts'
import { t } from '../texts/en.ts'
import { Foreign } from './foreign.tsx'
import { Button } from './parts.tsx'

/** Rows of the height of what comes, so that nothing jumps when it does. */
export const Skeleton = ({ rows = 3, rowClass = 'h-10' }: { rows?: number; rowClass?: string }) => (
  <div role="status" aria-label={t.states.loading} className="appear flex flex-col gap-2 p-4">
    {Array.from({ length: rows }, (_, at) => (
      // biome-ignore lint/suspicious/noArrayIndexKey: rows that are all alike have no other name
      <div key={at} className={`${rowClass} rounded-md bg-sunk`} />
    ))}
  </div>
)

export const Empty = ({ children }: { children: ReactNode }) => (
  <div className="px-4 py-10 text-center text-soft">{children}</div>
)

/** What went wrong and what to do next; an own page, or a part of one. */
export const Failed = ({ error, again }: { error: unknown; again?: () => void }) => {
  const refusal = error instanceof Refusal ? error : null
  const isAway = refusal?.kind === 'unreachable'
  return (
    <div role="alert" className="flex flex-col items-start gap-2 p-4">
      <strong className="font-semibold text-bad">{isAway ? t.states.unreachable : t.states.failed}</strong>
      <p className="m-0">
        <Foreign>{isAway ? t.states.unreachableNext : (refusal?.detail ?? String(error))}</Foreign>
      </p>
      {refusal?.next && (
        <p className="m-0 text-soft">
          {t.states.next} <Foreign>{refusal.next}</Foreign>
        </p>
      )}
      {again && <Button onClick={again}>{t.states.again}</Button>}
    </div>
  )
}

/** Why something was not done, and what to do next. */
export const Refused = ({ refusal }: { refusal: Refusal | null }) =>
  refusal && (
    <p role="alert" className="m-0 rounded-md bg-bad-wash p-3 text-bad">
      <Foreign>{refusal.kind === 'unreachable' ? t.states.unreachable : refusal.detail}</Foreign>
      {refusal.next && <span className="block">{refusal.next}</span>}
    </p>
  )

/** A query's data once it is there; before, and when it failed, what stands in for it. What was once loaded stays while the server is away. */
export const Loaded = <Data,>({
  query,
  children,
  waiting,
  isHeld = false,
}: {
  query: UseQueryResult<Data>
  children: (data: Data) => ReactNode
  waiting?: ReactNode
  /** Something else is waited for, which stands beside it. */
  isHeld?: boolean
}) => {
  if (query.data !== undefined && isHeld) return waiting ?? <Skeleton />
  if (query.data !== undefined) return children(query.data)
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />
  return waiting ?? <Skeleton />
}
