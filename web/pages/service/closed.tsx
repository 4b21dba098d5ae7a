import { useQuery } from '@tanstack/react-query'
import { type Environment, environments } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { moment, personOf } from '../../ui/format.ts'
import { useNow } from '../../ui/parts.tsx'

/** What would become of it there now: a deployment is refused, a promotion waits. */
type What = 'deploy' | 'promote'

/** Why nothing new comes into an environment of the project now, and what that means; null where it is open, or no part of the way. */
export const useClosed = (project: string): ((environment: string | undefined, what: What) => string | null) => {
  const now = useNow(15_000)
  // Windows open and close by the clock, of which no fact tells.
  const { data: chain = [] } = useQuery({ ...environments(project), refetchInterval: 60_000 })
  return (environment, what) => {
    const known = chain.find((one) => one.environment === environment)
    const why = known && whyClosed(known, now)
    return why ? [why.said, t.service.closed[what], why.way].join(' ') : null
  }
}

const whyClosed = ({ environment, closed, frozen, freezes }: Environment, now: number) => {
  const texts = t.service.closed
  if (closed === null || isOver(closed.until, now)) return null
  if (closed.why === 'window')
    return { said: texts.window(environment, momentOf(closed.until)), way: texts.calendarWay }
  if (frozen !== null && !isOver(frozen.until, now)) {
    return {
      said: texts.frozen(environment, personOf(frozen.by), momentOf(frozen.until), frozen.reason),
      way: texts.frozenWay,
    }
  }
  const planned = freezes.find(({ from, until }) => from <= now && now < until)
  return {
    said: planned ? texts.planned(environment, moment(planned.until), planned.reason) : `${closed.detail}.`,
    way: texts.calendarWay,
  }
}

const isOver = (until: number | null, now: number): boolean => until !== null && until <= now
const momentOf = (at: number | null): string | null => (at === null ? null : moment(at))

/** Stands beside the commands that it is about, which name it as their description. */
export const ClosedNote = ({ id, said }: { id?: string | undefined; said: string }) => (
  <p id={id} className="m-0 rounded-md bg-wait-wash p-2 text-wait">
    <Foreign>{said}</Foreign>
  </p>
)
