import { useWindowVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useRef, useState } from 'react'
import { type Grouped, ServiceRow } from './service-table.tsx'

const rowPx = 45

/** Only the rows that can be seen are there, and only they ask for their traffic: there may be hundreds. */
export const Rows = ({ all, project }: { all: readonly Grouped[]; project: string }) => {
  const body = useRef<HTMLTableSectionElement>(null)
  const [top, setTop] = useState(0)
  useLayoutEffect(() => setTop((body.current?.getBoundingClientRect().top ?? 0) + scrollY), [])
  const rows = useWindowVirtualizer({
    count: all.length,
    estimateSize: () => rowPx,
    overscan: 8,
    scrollMargin: top,
    getItemKey: (at) => all[at]?.service ?? at,
  })
  const seen = rows.getVirtualItems()
  const before = (seen[0]?.start ?? top) - top
  const after = rows.getTotalSize() - ((seen.at(-1)?.end ?? top) - top)
  return (
    <tbody ref={body}>
      {before > 0 && <tr style={{ height: before }} />}
      {seen.map(({ index }) => {
        const one = all[index]
        return (
          one && (
            <ServiceRow key={one.service} {...one} project={project} placed={{ index, measure: rows.measureElement }} />
          )
        )
      })}
      {after > 0 && <tr style={{ height: after }} />}
    </tbody>
  )
}
