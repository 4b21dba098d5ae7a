import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { t } from '../texts/en.ts'
import { useProject } from './project.ts'
import { useMay } from './role.ts'

type Name = keyof typeof t.nav
type Place = { readonly name: Name; readonly to: string; readonly key: string; readonly isExact?: boolean }

/** The places of the web, in the order of the loop; `key` goes there after g. */
const inProject: readonly Place[] = [
  { name: 'loop', to: '/projects/$project', key: 'h', isExact: true },
  { name: 'services', to: '/projects/$project/services', key: 's' },
  { name: 'rollouts', to: '/projects/$project/rollouts', key: 'r' },
  { name: 'runs', to: '/projects/$project/runs', key: 'p' },
  { name: 'changes', to: '/projects/$project/changes', key: 'c' },
  { name: 'previews', to: '/projects/$project/previews', key: 'v' },
  { name: 'incidents', to: '/projects/$project/incidents', key: 'n' },
  { name: 'insights', to: '/projects/$project/insights', key: 'i' },
]
const ledger: Place = { name: 'ledger', to: '/ledger', key: 'l' }
const settings: Place = { name: 'settings', to: '/settings', key: 'e' }

/** Those that are open to whoever is signed in. */
export const usePlaces = (): readonly Place[] => {
  const mayReadLedger = useMay('viewer')
  return [...inProject, ...(mayReadLedger ? [ledger] : []), settings]
}

export const Navigation = ({ went }: { went?: () => void }) => {
  const places = usePlaces()
  const project = useProject()
  return (
    <nav aria-label={t.shell.menu} className="flex flex-col gap-0.5">
      {places.map(({ name, to, isExact }) => (
        <Link
          key={name}
          to={to}
          params={{ project }}
          activeOptions={{ exact: isExact === true, includeSearch: false }}
          onClick={() => went?.()}
          className="flex min-h-9 items-center gap-3 rounded-md px-3 text-soft no-underline hover:bg-sunk hover:text-ink"
          activeProps={{ className: 'bg-accent-wash text-accent! font-medium' }}
        >
          <Icon>{icons[name]}</Icon>
          {t.nav[name]}
        </Link>
      ))}
    </nav>
  )
}

const Icon = ({ children }: { children: ReactNode }) => (
  <svg
    aria-hidden="true"
    viewBox="0 0 20 20"
    className="size-5 shrink-0 fill-none stroke-current"
    strokeWidth="1.6"
    strokeLinecap="round"
    strokeLinejoin="round"
  >
    {children}
  </svg>
)

const icons: Readonly<Record<Name, ReactNode>> = {
  loop: (
    <path d="M10 10c-1.6-2.2-2.8-3.5-4.5-3.5a3.5 3.5 0 1 0 0 7c1.7 0 2.9-1.3 4.5-3.5s2.8-3.5 4.5-3.5a3.5 3.5 0 1 1 0 7c-1.7 0-2.9-1.3-4.5-3.5Z" />
  ),
  services: <path d="M3.5 4.5h13v4.5h-13zM3.5 11.5h13v4.5h-13zM6 6.75h.01M6 13.75h.01" />,
  rollouts: <path d="M3 15.5h3.5v-4H10v-3.5h3.5V4.5H17" />,
  runs: (
    <path d="M4.5 6.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm11 11a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM4.5 6.5v6a3 3 0 0 0 3 3h6M6.5 4.5h6a3 3 0 0 1 3 3v6" />
  ),
  changes: <path d="M6 3v14M6 3l-2.5 2.5M6 3l2.5 2.5M14 17V3M14 17l-2.5-2.5M14 17l2.5-2.5" />,
  previews: <path d="M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5ZM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z" />,
  incidents: <path d="M10 3.5 17 16H3L10 3.5ZM10 8.5v3.5M10 14h.01" />,
  insights: <path d="M3.5 16.5h13M5.5 16.5v-5M10 16.5v-12M14.5 16.5V8" />,
  ledger: <path d="M5 3.5h10v13H5zM8 7h4M8 10h4M8 13h2.5" />,
  settings: (
    <path d="M3.5 6h7M14 6h2.5M3.5 14H6M9.5 14h7M12.25 7.75a1.75 1.75 0 1 0 0-3.5 1.75 1.75 0 0 0 0 3.5Zm-4.5 8a1.75 1.75 0 1 0 0-3.5 1.75 1.75 0 0 0 0 3.5Z" />
  ),
}
