import { Link } from '@tanstack/react-router'
import { t } from '../../texts/en.ts'
import type { Tone } from '../../ui/parts.tsx'
import type { Stage, StageName } from './loop.ts'

const rooms: Readonly<Record<StageName, string>> = {
  code: '/projects/$project/changes',
  build: '/projects/$project/runs',
  package: '/projects/$project/services',
  release: '/projects/$project/rollouts',
  deploy: '/projects/$project/rollouts',
  operate: '/projects/$project/services',
  monitor: '/projects/$project/services',
}

const rings: Readonly<Record<Tone, string>> = {
  good: 'border-good text-good',
  wait: 'border-wait bg-wait-wash text-wait',
  bad: 'border-bad bg-bad-wash text-bad',
  busy: 'border-accent bg-accent-wash text-accent',
  calm: 'border-line text-soft',
}

/** The stages along a track that leads from the last back to the first. On a narrow page they stand beneath each other. */
export const Track = ({ stages, project }: { stages: readonly Stage[]; project: string }) => (
  <div className="relative">
    {/* The way round: a line through all rings, and back beneath them. */}
    <div
      aria-hidden="true"
      className="absolute top-7 right-[7.14%] left-[7.14%] hidden h-[5.75rem] rounded-b-3xl border-2 border-line md:block"
    />
    <ol className="relative m-0 grid list-none gap-1 p-0 md:grid-cols-7 md:pb-8">
      {stages.map(({ name, count, said, tone }) => (
        <li key={name}>
          <Link
            to={rooms[name]}
            params={{ project }}
            className="group flex items-center gap-4 rounded-lg p-1 text-ink no-underline hover:bg-sunk md:flex-col md:gap-2 md:p-0 md:text-center md:hover:bg-transparent"
          >
            <span
              className={`grid size-11 shrink-0 place-items-center rounded-full border-2 bg-panel text-base font-semibold group-hover:border-accent md:size-14 md:text-lg ${rings[tone]}`}
            >
              <span className={tone === 'busy' ? 'pulse-dot' : ''}>{count}</span>
            </span>
            <span className="flex flex-1 justify-between gap-2 bg-panel md:flex-col md:gap-0 md:px-2 md:pb-1">
              <span className="font-medium">{t.loop.stage[name]}</span>
              <span className="text-soft">{said}</span>
            </span>
          </Link>
        </li>
      ))}
    </ol>
  </div>
)
