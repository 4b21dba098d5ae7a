import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useId, useMemo, useState } from 'react'
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
  const [chosen, setChosen] = useState(0)
  const list = useId()
  const hits = useHits(typed, close)
  const at = Math.min(chosen, Math.max(0, hits.length - 1))

  const press = (event: React.KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) {
      event.preventDefault()
      setChosen((at + step + hits.length) % Math.max(1, hits.length))
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
          setChosen(0)
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
            onMouseMove={() => setChosen(index)}
            className={`flex min-h-10 cursor-pointer items-center justify-between gap-4 rounded-md px-3 ${index === at ? 'bg-accent-wash text-accent' : ''}`}
          >
            <Foreign className="min-w-0 truncate">{hit.label}</Foreign>
            <span className="text-xs text-soft">{hit.kind}</span>
          </div>
        ))}
      </div>
      {hits.length === 0 && <p className="m-0 px-5 pb-4 text-soft">{t.palette.none}</p>}
    </Dialog>
  )
}

const useHits = (typed: string, close: () => void): readonly Hit[] => {
  const project = useProject()
  const navigate = useNavigate()
  const places = usePlaces()
  const known = {
    services: useQuery(services(project)),
    runs: useQuery(runs(project)),
    changes: useQuery(changes(project)),
  }
  return useMemo(() => {
    const to = (go: () => Promise<void>) => () => {
      close()
      void go()
    }
    const names = [...new Set((known.services.data?.services ?? []).map(({ service }) => service))]
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
      ...(known.changes.data ?? []).map(({ repository, number, title }) => ({
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
      ...(known.runs.data?.runs ?? []).map(({ run, repository, title, number }) => ({
        key: run,
        kind: t.palette.run,
        label: `${repository} ${number} ${title}`,
        go: to(() => navigate({ to: '/projects/$project/runs/$run', params: { project, run } })),
      })),
    ]
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
    return all.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word))).slice(0, mostHits)
  }, [typed, known.services.data, known.runs.data, known.changes.data, places, project, navigate, close])
}
