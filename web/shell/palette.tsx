import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useId, useMemo, useRef, useState } from 'react'
import { changes } from '../api/change-queries.ts'
import { runs } from '../api/run-queries.ts'
import { services } from '../api/service-queries.ts'
import { t } from '../texts/en.ts'
import { Dialog } from '../ui/dialog.tsx'
import { Foreign } from '../ui/foreign.tsx'
import { usePlaces } from './navigation.tsx'
import { useProject } from './project.ts'

type Hit = { readonly key: string; readonly kind: string; readonly label: string; readonly go: () => void }
const mostHits = 12

/** Finds pages, services, runs and changes by what one types; arrows choose, Enter goes there. */
export const Palette = ({ close }: { close: () => void }) => {
  const [typed, setTyped] = useState('')
  const [chosen, setChosen] = useState<string | null>(null)
  const list = useId()
  const { hits, isLoading } = useHits(typed, close)
  const at = Math.max(
    0,
    hits.findIndex(({ key }) => key === chosen),
  )

  const press = (event: React.KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) {
      event.preventDefault()
      const next = (at + step + hits.length) % Math.max(1, hits.length)
      setChosen(hits[next]?.key ?? null)
      document.getElementById(`${list}-${next}`)?.scrollIntoView({ block: 'nearest' })
    } else if (event.key === 'Enter') {
      event.preventDefault()
      hits[at]?.go()
    }
  }

  return (
    <Dialog title={t.palette.title} close={close} isTitleHidden className="mt-[12vh] w-[min(36rem,calc(100vw-2rem))]">
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={hits[at] ? `${list}-${at}` : undefined}
        aria-label={t.palette.hint}
        placeholder={t.palette.hint}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value)
          setChosen(null)
        }}
        onKeyDown={press}
        className="h-12 w-full border-0 border-b border-line bg-transparent px-4 text-base outline-none placeholder:text-soft"
      />
      <div id={list} role="listbox" aria-label={t.palette.title} className="max-h-96 overflow-y-auto p-2">
        {hits.map((hit, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard works through the field above
          <div
            key={hit.key}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onClick={hit.go}
            onMouseMove={() => setChosen(hit.key)}
            className={`flex min-h-10 cursor-pointer items-center justify-between gap-4 rounded-md px-3 ${index === at ? 'bg-accent-wash text-accent' : ''}`}
          >
            <Foreign className="min-w-0 truncate">{hit.label}</Foreign>
            <span className="text-xs text-soft">{hit.kind}</span>
          </div>
        ))}
      </div>
      {hits.length === 0 && (
        <p role="status" className="m-0 px-5 pb-4 text-soft">
          {isLoading ? t.states.loading : t.palette.none}
        </p>
      )}
    </Dialog>
  )
}

/**
 * What one types leads to. What is shown stays where it is while one looks: a list that is loaded stands beneath those before it, which are
 * waited for, and what comes into a list later is added at the end.
 */
const useHits = (typed: string, close: () => void): { hits: readonly Hit[]; isLoading: boolean } => {
  const project = useProject()
  const navigate = useNavigate()
  const places = usePlaces()
  const shown = useRef<{ typed: string; keys: readonly string[] }>({ typed: '', keys: [] })
  const asked = {
    services: useQuery(services(project)),
    changes: useQuery(changes(project)),
    runs: useQuery(runs(project)),
  }
  const known = {
    services: asked.services.data,
    changes: asked.services.isPending ? undefined : asked.changes.data,
    runs: asked.services.isPending || asked.changes.isPending ? undefined : asked.runs.data,
  }
  const hits = useMemo(() => {
    const to = (go: () => Promise<void>) => () => {
      close()
      void go()
    }
    const names = [...new Set((known.services?.services ?? []).map(({ service }) => service))]
    const all: readonly Hit[] = [
      ...places.map((place) => ({
        key: place.name,
        kind: t.palette.page,
        label: t.nav[place.name],
        go: to(() => navigate({ to: place.to, params: { project } })),
      })),
      ...names.map((service) => ({
        key: `service ${service}`,
        kind: t.palette.service,
        label: service,
        go: to(() => navigate({ to: '/projects/$project/services/$service', params: { project, service } })),
      })),
      ...(known.changes ?? []).map(({ repository, number, title }) => ({
        key: `change ${repository} ${number}`,
        kind: t.palette.change,
        label: `${repository} #${number} ${title ?? ''}`,
        go: to(() =>
          navigate({
            to: '/projects/$project/changes/$repository/$number',
            params: { project, repository, number: `${number}` },
          }),
        ),
      })),
      ...(known.runs?.runs ?? []).map(({ run, repository, title, number }) => ({
        key: run,
        kind: t.palette.run,
        label: `${repository} ${number} ${title}`,
        go: to(() => navigate({ to: '/projects/$project/runs/$run', params: { project, run } })),
      })),
    ]
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
    const found = all.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word)))
    const before = shown.current.typed === typed ? shown.current.keys : []
    const stay = before.flatMap((key) => found.find((hit) => hit.key === key) ?? [])
    const now = [...stay, ...found.filter(({ key }) => !before.includes(key))].slice(0, mostHits)
    shown.current = { typed, keys: now.map(({ key }) => key) }
    return now
  }, [typed, known.services, known.runs, known.changes, places, project, navigate, close])
  return { hits, isLoading: Object.values(asked).some(({ isPending }) => isPending) }
}
