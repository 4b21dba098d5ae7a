import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

export type Line = {
  readonly label: string
  /** A token of styles.css, such as `--accent`. */
  readonly colour: string
  readonly values: readonly (number | null)[]
  readonly isFilled?: boolean
  readonly isDashed?: boolean
}
/** Something that happened at a moment, such as a deployment. */
export type Mark = { readonly at: number; readonly label: string; readonly colour: string }

type Props = {
  readonly label: string
  /** Moments in milliseconds since 1970, rising. */
  readonly at: readonly number[]
  readonly lines: readonly Line[]
  readonly marks?: readonly Mark[]
  readonly format: (value: number) => string
  readonly height?: number
  /** The time that is shown, in milliseconds since 1970; that of the values where it is left out. */
  readonly from?: number
  readonly until?: number
  readonly least?: number
  /** A level that counts, drawn across. */
  readonly level?: { readonly value: number; readonly colour: string; readonly label: string }
}

const token = (name: string): string => {
  const probe = document.createElement('span')
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const { color } = getComputedStyle(probe) // light-dark() is only resolved where it is used
  probe.remove()
  return color
}

/** Time series on a canvas; the numbers at the pointer are told in the legend beneath. */
export const Chart = ({ label, at, lines, marks = [], format, height = 160, least = 0, level, from, until }: Props) => {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const marked = useRef(marks)
  marked.current = marks
  const levelled = useRef(level)
  levelled.current = level
  const ends = useRef({ from, until })
  ends.current = { from, until }
  const formatted = useRef(format)
  formatted.current = format
  const shape = JSON.stringify(
    lines.map(({ label, colour, isFilled, isDashed }) => [label, colour, isFilled, isDashed]),
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew only when its lines are others; new values go into the same one
  useEffect(() => {
    const element = box.current
    if (!element) return
    const make = (): uPlot => {
      const ink = { soft: token('--soft'), line: token('--line') }
      const axis = {
        stroke: ink.soft,
        grid: { stroke: ink.line, width: 1 },
        ticks: { show: false },
        font: '11px system-ui',
      }
      return new uPlot(
        {
          width: element.clientWidth,
          height,
          cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
          legend: { live: true },
          scales: {
            x: {
              range: (_, low, high) => [
                (ends.current.from ?? low * 1000) / 1000,
                (ends.current.until ?? high * 1000) / 1000,
              ],
            },
            y: {
              range: (_, low, high) => [
                Math.min(low ?? 0, 0),
                Math.max(high ?? 0, least, (levelled.current?.value ?? 0) * 1.1) * 1.05 || 1,
              ],
            },
          },
          axes: [
            {
              ...axis,
              size: 30,
              space: 72,
              values: (_, splits) => splits.map((second) => timeOf(second, isFine(splits))),
            },
            { ...axis, size: 56, space: 36, values: (_, splits) => splits.map((value) => formatted.current(value)) },
          ],
          series: [
            // Where nothing is pointed at, the newest values stand in the legend.
            { value: (chart, second) => timeOf(second ?? chart.data[0].at(-1) ?? null) },
            ...lines.map((line) => ({
              label: line.label,
              stroke: token(line.colour),
              width: 1.5,
              ...(line.isFilled ? { fill: translucent(token(line.colour)) } : {}),
              ...(line.isDashed ? { dash: [4, 4] } : {}),
              points: { show: at.length < 3 },
              value: (chart: uPlot, pointed: number | null, series: number, place: number | null) => {
                const known = Array.from<number | null | undefined>(chart.data[series] ?? [])
                const value = place === null ? known.findLast((one) => one != null) : pointed
                return value == null ? '–' : formatted.current(value)
              },
            })),
          ],
          hooks: { draw: [(chart) => drawMarks(chart, marked.current, levelled.current)] },
        },
        dataOf(at, lines),
        element,
      )
    }
    let chart = make()
    plot.current = chart
    const again = (): void => {
      chart.destroy()
      chart = make()
      plot.current = chart
    }
    const resized = new ResizeObserver(() => {
      if (element.clientWidth !== chart.width) chart.setSize({ width: element.clientWidth, height })
    })
    resized.observe(element)
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', again)
    const themed = new MutationObserver(again)
    themed.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      resized.disconnect()
      themed.disconnect()
      dark.removeEventListener('change', again)
      chart.destroy()
      plot.current = null
    }
  }, [shape, height, least])

  useEffect(() => plot.current?.setData(dataOf(at, lines)), [at, lines])

  return (
    <figure className="m-0 min-w-0" aria-label={label}>
      {/* Legend and canvas have this height before they are drawn, so that nothing jumps. */}
      <div ref={box} className="chart min-w-0" style={{ minHeight: height + 28 }} />
    </figure>
  )
}

const dataOf = (at: readonly number[], lines: readonly Line[]): uPlot.AlignedData => [
  at.map((moment) => moment / 1000),
  ...lines.map(({ values }) => [...values]),
]

const timeOf = (second: number | null, isFine = false): string =>
  second === null
    ? ''
    : new Date(second * 1000).toLocaleTimeString(undefined, {
        ...{ hour: '2-digit', minute: '2-digit', hour12: false },
        ...(isFine ? { second: '2-digit' } : {}),
      })

/** Whether marks of an axis of time lie so close that minutes would stand there twice. */
const isFine = ([first = 0, second = 60]: readonly number[]): boolean => second - first < 60

const translucent = (colour: string): string => colour.replace(/^rgb\((.*)\)$/, 'rgba($1, 0.12)')

const drawMarks = (chart: uPlot, marks: readonly Mark[], level: Props['level']): void => {
  const { ctx, bbox } = chart
  ctx.save()
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio])
  for (const { at, colour } of marks) {
    const x = chart.valToPos(at / 1000, 'x', true)
    if (x < bbox.left || x > bbox.left + bbox.width) continue
    ctx.strokeStyle = token(colour)
    ctx.fillStyle = ctx.strokeStyle
    ctx.beginPath()
    ctx.moveTo(x, bbox.top)
    ctx.lineTo(x, bbox.top + bbox.height)
    ctx.stroke()
    ctx.beginPath()
    ctx.arc(x, bbox.top + 3 * devicePixelRatio, 3 * devicePixelRatio, 0, 2 * Math.PI)
    ctx.fill()
  }
  if (level) {
    const y = chart.valToPos(level.value, 'y', true)
    ctx.strokeStyle = token(level.colour)
    ctx.fillStyle = ctx.strokeStyle
    ctx.setLineDash([])
    ctx.beginPath()
    ctx.moveTo(bbox.left, y)
    ctx.lineTo(bbox.left + bbox.width, y)
    ctx.stroke()
    ctx.font = `${11 * devicePixelRatio}px system-ui`
    // The chart leaves its axes' alignment behind.
    ctx.textAlign = 'left'
    ctx.textBaseline = 'alphabetic'
    ctx.fillText(level.label, bbox.left + 6 * devicePixelRatio, y - 4 * devicePixelRatio)
  }
  ctx.restore()
}
