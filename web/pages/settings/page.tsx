import { useSearch } from '@tanstack/react-router'
import { useProject } from '../../shell/project.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { PageHead } from '../../ui/parts.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { ActionsTab } from './actions.tsx'
import { DataTab } from './data.tsx'
import { EnvironmentsTab } from './environments.tsx'
import { ImportTab } from './import.tsx'
import { RepositoriesTab } from './repositories.tsx'
import { RunnersTab } from './runners.tsx'
import { SecretsTab } from './secrets.tsx'
import { TokensTab } from './tokens.tsx'
import { UsersTab } from './users.tsx'
import { WebhooksTab } from './webhooks/tab.tsx'
import { YouTab } from './you.tsx'

type Tab = keyof typeof t.settings.tabs

/** The tabs that are open to whoever is signed in. */
const useTabs = (project: string): readonly Tab[] => {
  const isAdministrator = useMay('administrator')
  const seesInstance = useMay('viewer')
  const seesProject = useMay('viewer', project)
  return [
    'you',
    'tokens',
    ...(isAdministrator ? (['users'] as const) : []),
    ...(seesInstance ? (['runners', 'actions'] as const) : []),
    ...(seesProject ? (['repositories', 'secrets', 'environments', 'webhooks', 'data', 'import'] as const) : []),
  ]
}

export const SettingsPage = () => {
  const search = useSearch({ from: '/shell/settings' })
  const project = useProject()
  const tabs = useTabs(project)
  const tab = tabs.find((name) => name === search.tab) ?? 'you'
  return (
    <>
      <PageHead title={t.settings.title} />
      <Tabs label={t.settings.title} tabs={tabs} chosen={tab} names={t.settings.tabs} />
      {tab === 'you' && <YouTab />}
      {tab === 'tokens' && <TokensTab project={project} />}
      {tab === 'users' && <UsersTab project={project} />}
      {tab === 'runners' && <RunnersTab project={project} />}
      {tab === 'repositories' && <RepositoriesTab project={project} />}
      {tab === 'secrets' && <SecretsTab project={project} />}
      {tab === 'actions' && <ActionsTab />}
      {tab === 'environments' && <EnvironmentsTab project={project} />}
      {tab === 'webhooks' && <WebhooksTab project={project} />}
      {tab === 'data' && <DataTab project={project} />}
      {tab === 'import' && <ImportTab project={project} />}
    </>
  )
}
