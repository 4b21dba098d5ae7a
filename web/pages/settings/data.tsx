import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Command, Panel } from '../../ui/parts.tsx'
import { DatabaseBackups } from './backups.tsx'
import { Caches } from './caches.tsx'
import { Databases } from './databases.tsx'

/** What is kept besides code: databases, their backups, caches, and all of Headway in one file. */
export const DataTab = ({ project }: { project: string }) => {
  const mayBackUp = useMay('operator')
  const mayTakeAll = useMay('administrator')
  return (
    <div className="flex flex-col gap-4">
      <Databases project={project} />
      {mayBackUp && <DatabaseBackups />}
      <Caches project={project} />
      {mayTakeAll && <Whole />}
    </div>
  )
}

const Whole = () => (
  <Panel title={t.data.whole}>
    <p className="mt-0 mb-3 text-soft">{t.data.wholeDetail}</p>
    <a
      href="/api/v1/backup"
      download
      className="inline-flex min-h-8 items-center rounded-md border border-line px-3 font-medium text-ink no-underline hover:border-strong"
    >
      {t.data.wholeMake}
    </a>
    <p className="mt-4 mb-2 text-soft">{t.data.wholeRestore}</p>
    <Command text="headway restore headway-backup.tar.gz --home <an empty directory>" />
  </Panel>
)
