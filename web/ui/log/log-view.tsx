import { useVirtualizer } from '@tanstack/react-virtual'
import { memo, type ReactNode, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { t } from '../../texts/en.ts'
import { clock, count, moment } from '../format.ts'
import { Button } from '../parts.tsx'
import { Empty, Failed, Skeleton } from '../states.tsx'
import { type Piece, piecesOf } from './ansi.ts'
import { createPlaces, foldOf, Groups, hiddenLines } from './groups.ts'
import type { LogLine, LogLines } from './lines.ts'
import { useHits } from './search.ts'

const rowPx = 20
const nearEndPx = 60

/** A log that is followed, searched, folded and linked to; only the lines that can be seen are drawn. */
export const LogView = ({
  log,
  label,
  search = '',
  line = null,
  pickLine,
  empty,
  hasInstances = false,
  isFollowed = true,
}: {
  log: LogLines
  label: string
  search?: string
  /** The line that an address points to, from 1. */
  line?: number | null
  pickLine?: (line: number) => void
  empty: string
  hasInstances?: boolean
  isFollowed?: boolean
}) => {
  const version = useSyncExternalStore(log.listen, log.current)
  const box = useRef<HTMLDivElement>(null)
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set())
  const [isAtEnd, setIsAtEnd] = useState(line === null)
  const [hit, setHit] = useState(0)
  const known = useMemo(() => ({ log, groups: new Groups() }), [log])
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines change in place; the version tells
  const places = useMemo(
    () => createPlaces(log.lines.length, hiddenLines(known.groups.follow(log.lines), folded)),
    [log, version, known, folded],
  )
  const groups = known.groups.all
  const hits = useHits(log, search, version)
  const total = places.count
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => box.current,
    estimateSize: () => rowPx,
    overscan: 20,
  })
  const [stopped, setStopped] = useState<number | null>(null)
  const wanted = useRef<number | null>(null)
  // The line that is gone to may come only with the next drawing, after it was scrolled to.
  useEffect(() => {
    if (wanted.current === null) return
    const number = box.current?.querySelector<HTMLElement>(`[data-line="${wanted.current}"]`)
    if (!number) return
    number.focus({ preventScroll: true })
    wanted.current = null
  })
  /** A line to go to as soon as its fold has been opened. */
  const [aimed, setAimed] = useState<number | null>(null)
  const goTo = (number: number): void => {
    setIsAtEnd(false)
    const fold = foldOf(known.groups, folded, number)
    if (fold !== null) setFolded((before) => new Set([...before].filter((at) => at !== fold)))
    setAimed(number)
  }
  useEffect(() => {
    if (aimed === null) return
    // A line that only ends a group is drawn nowhere: the one before it is as near as one gets.
    const place = places.placeOf(aimed) ?? places.placeOf(aimed - 1)
    if (place === null) return // its fold is about to open
    setAimed(null)
    rows.scrollToIndex(place, { align: 'center' })
  }, [aimed, places, rows])

  useEffect(() => {
    if (isFollowed && isAtEnd && total > 0) rows.scrollToIndex(total - 1, { align: 'end' })
  }, [total, isAtEnd, isFollowed, rows])

  // An address that names a line leads there once that line has come.
  const isThere = line !== null && log.lines.length >= line
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the line has come; scrolling is the reader's from then on
  useEffect(() => {
    if (isThere && line !== null) goTo(line - 1)
  }, [isThere])

  const first = hits[0]
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is searched decides; what is found later does not move the view
  useEffect(() => {
    setHit(0)
    if (first !== undefined && line === null) goTo(first) // the line of an address comes before what is searched for
  }, [search, first === undefined])

  if (log.state === 'failed' && log.lines.length === 0) return <Failed error={log.error} />
  if (log.lines.length === 0)
    return log.state === 'loading' && !isFollowed ? <Skeleton rows={4} rowClass="h-5" /> : <Empty>{empty}</Empty>

  const step = (by: number): void => {
    const next = (hit + by + hits.length) % Math.max(1, hits.length)
    setHit(next)
    const number = hits[next]
    if (number !== undefined) goTo(number)
  }
  const drawn = rows.getVirtualItems()
  const inView = drawn.find(({ start }) => start >= (rows.scrollOffset ?? 0)) ?? drawn[0]
  const firstSeen = inView === undefined ? 0 : places.lineAt(inView.index)
  const stop = drawn.some(({ index }) => places.lineAt(index) === stopped) ? stopped : firstSeen
  /** The numbers of the lines are one stop of the Tab key; from there arrows go on. */
  const move = (event: React.KeyboardEvent): void => {
    const by = steps[event.key]
    const from = numberOf(event.target)
    if (by === undefined || from === null) return
    event.preventDefault()
    const at = wanted.current ?? from // keys may come faster than lines are drawn
    const place = Math.min(total - 1, Math.max(0, (places.placeOf(at) ?? 0) + by))
    wanted.current = places.lineAt(place)
    setStopped(wanted.current)
    setIsAtEnd(false)
    rows.scrollToIndex(place)
  }
  /** Whoever stands on a number stays there: lines that come would take it out of view, and the focus with it. */
  const stay = (event: React.FocusEvent): void => {
    const at = numberOf(event.target)
    if (at === null) return
    setStopped(at)
    setIsAtEnd(false)
  }
  const digits = String(log.lines.length).length
  const current = search === '' ? null : (hits[hit] ?? null)

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div className="flex min-h-10 flex-wrap items-center justify-between gap-2 border-t border-line px-4 py-1 text-xs text-soft">
        <span role="status">{t.service.logs.lines(count(log.lines.length))}</span>
        {search !== '' && (
          <span className="flex items-center gap-1">
            {t.run.matches(hits.length === 0 ? 0 : hit + 1, hits.length)}
            <Button kind="quiet" className="min-h-7 px-2" onClick={() => step(-1)} aria-label={t.run.previous}>
              ↑
            </Button>
            <Button kind="quiet" className="min-h-7 px-2" onClick={() => step(1)} aria-label={t.run.nextMatch}>
              ↓
            </Button>
          </span>
        )}
      </div>
      <section
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
        tabIndex={0}
        onKeyDown={move}
        onFocus={stay}
        aria-label={label}
        aria-busy={log.state === 'loading'}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) =>
          setIsAtEnd(scrollHeight - scrollTop - clientHeight < nearEndPx && numberOf(document.activeElement) === null)
        }
        className="min-h-0 flex-1 overflow-auto border-t border-line bg-sunk font-mono text-xs leading-[20px]"
      >
        <div className="relative min-w-max" style={{ height: rows.getTotalSize() }}>
          {drawn.map(({ index, start }) => {
            const number = places.lineAt(index)
            const one = log.lines[number]
            if (!one) return null
            const group = groups.get(number)
            return (
              <div
                key={number}
                className={`absolute top-0 left-0 flex min-w-full ${number === current ? 'bg-wait-wash' : line === number + 1 ? 'bg-accent-wash' : ''}`}
                style={{ height: rowPx, transform: `translateY(${start}px)` }}
              >
                <LineNumber
                  number={number + 1}
                  digits={digits}
                  isStop={number === stop}
                  isChosen={line === number + 1}
                  {...(pickLine ? { pick: pickLine } : {})}
                />
                {hasInstances && <Origin line={one} />}
                {group !== undefined && (
                  <button
                    type="button"
                    aria-expanded={!folded.has(number)}
                    onClick={() =>
                      setFolded((before) => {
                        const after = new Set(before)
                        if (!after.delete(number)) after.add(number)
                        return after
                      })
                    }
                    className="mr-1 w-7 text-soft"
                    aria-label={group.title}
                  >
                    {folded.has(number) ? '▸' : '▾'}
                  </button>
                )}
                <Text text={group?.title ?? one.text} />
              </div>
            )
          })}
        </div>
      </section>
      {!isAtEnd && isFollowed && (
        <Button
          className="absolute right-5 bottom-4 shadow-md"
          onClick={() => {
            setIsAtEnd(true)
            rows.scrollToIndex(total - 1, { align: 'end' })
          }}
        >
          ↓ {t.service.logs.bottom}
        </Button>
      )}
    </div>
  )
}

/** The line whose number this is; null for anything else. */
const numberOf = (target: EventTarget | null): number | null =>
  target instanceof HTMLButtonElement && target.dataset.line ? Number(target.dataset.line) : null

/** How far a key goes from line to line. */
const steps: Readonly<Record<string, number>> = {
  ArrowUp: -1,
  ArrowDown: 1,
  PageUp: -20,
  PageDown: 20,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
}

type NumberProps = {
  number: number
  digits: number
  isStop: boolean
  isChosen: boolean
  pick?: (line: number) => void
}

const LineNumber = ({ number, digits, isStop, isChosen, pick }: NumberProps) => {
  const shape = 'sticky left-0 shrink-0 select-none bg-sunk pr-3 pl-4 text-right text-soft'
  const width = { minWidth: `calc(${digits}ch + 1.75rem)` }
  return pick ? (
    <button
      type="button"
      tabIndex={isStop ? 0 : -1}
      data-line={number - 1}
      aria-label={t.run.line(number)}
      aria-current={isChosen ? 'true' : undefined}
      className={`${shape} -outline-offset-2`}
      style={width}
      onClick={() => pick(number)}
    >
      {number}
    </button>
  ) : (
    <span className={shape} style={width}>
      {number}
    </span>
  )
}

const Origin = ({ line }: { line: LogLine }) => (
  <span className="mr-3 shrink-0 whitespace-nowrap text-soft" title={`${moment(line.at)}\n${line.instance ?? ''}`}>
    {clock(line.at)}{' '}
    <span className={line.stream === 'stderr' ? 'text-bad' : ''}>{line.instance?.split('.').at(-1)}</span>
  </span>
)

const tones: Readonly<Record<NonNullable<Piece['tone']>, string>> = {
  bad: 'text-bad',
  good: 'text-good',
  wait: 'text-wait',
  accent: 'text-accent',
  soft: 'text-soft',
  control: 'rounded-sm bg-wait-wash text-wait',
}

/** Whatever was written stands there as text, left to right, and moves nothing around it. */
const Text = memo(({ text }: { text: string }): ReactNode => {
  const { pieces, cut } = piecesOf(text)
  return (
    <span dir="ltr" className="whitespace-pre pr-4 [unicode-bidi:isolate]">
      {pieces.map(({ text: piece, tone, isBold }, at) => (
        <span
          // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one line have no other name
          key={at}
          className={`${tone === null ? '' : tones[tone]} ${isBold ? 'font-semibold' : ''}`}
        >
          {piece}
        </span>
      ))}
      {cut > 0 && <span className="text-soft"> … +{count(cut)}</span>}
    </span>
  )
})
