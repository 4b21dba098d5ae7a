import type { Preview } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Badge, type Tone } from '../../ui/parts.tsx'

const tones: Readonly<Record<Preview['status'], Tone>> = {
  ...({ none: 'calm', held: 'wait', packaging: 'busy', deploying: 'busy' } as const),
  ...({ ready: 'good', failed: 'bad', ending: 'busy', removed: 'calm' } as const),
}

/** How a preview stands, and why. */
export const PreviewStanding = ({ of: { status, version, detail, next } }: { of: Preview }) => (
  <span className="flex flex-col items-start gap-1">
    <span className="flex flex-wrap items-center gap-2">
      <Badge tone={tones[status]}>{t.previews.status[status]}</Badge>
      {version !== null && <span className="text-soft">{t.previews.version(version)}</span>}
    </span>
    {detail !== null && <Foreign className="text-soft">{detail}</Foreign>}
    {next !== null && <Foreign className="text-xs text-soft">{next}</Foreign>}
  </span>
)
