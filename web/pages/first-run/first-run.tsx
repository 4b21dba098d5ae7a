import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { repositories } from '../../api/queries.ts'
import { runs } from '../../api/run-queries.ts'
import { t } from '../../texts/en.ts'
import { Command, Dot, PageHead, Panel } from '../../ui/parts.tsx'

/** What to do where there is nothing yet; it notices by itself when something arrives. */
export const FirstRun = ({ project }: { project: string }) => {
  const { data: [arrived] = [] } = useQuery(repositories(project))
  const { data } = useQuery({ ...runs(project, {}, 1), refetchInterval: 2_000 })
  const newest = data?.runs[0]
  return (
    <>
      <PageHead title={t.firstRun.title} detail={t.firstRun.detail} />
      <div className="grid gap-4 lg:grid-cols-2">
        <Steps
          title={t.firstRun.own}
          steps={t.firstRun.ownSteps}
          commands={['headway init', 'git push headway main']}
        />
        <Steps
          title={t.firstRun.example}
          steps={t.firstRun.exampleSteps}
          commands={[
            'cp -r examples/node-postgres ../my-service\ncd ../my-service\ngit init -b main && git add -A && git commit -m "First version"',
            'headway init\ngit push headway main',
          ]}
        />
      </div>
      <p role="status" className="mt-6 flex items-center gap-3 text-soft">
        <Dot tone="busy" />
        {arrived ? t.firstRun.arrived(arrived.repository) : t.firstRun.waiting}
        {newest && (
          <Link to="/projects/$project/runs/$run" params={{ project, run: newest.run }} className="text-accent">
            {t.firstRun.watch}
          </Link>
        )}
      </p>
    </>
  )
}

const Steps = ({
  title,
  steps,
  commands,
}: {
  title: string
  steps: readonly string[]
  commands: readonly string[]
}) => (
  <Panel title={title}>
    <ol className="m-0 flex list-none flex-col gap-4 p-0">
      {steps.map((step, at) => (
        <li key={step} className="flex flex-col gap-2">
          <span className="text-soft">{step}</span>
          <Command text={commands[at] ?? ''} />
        </li>
      ))}
    </ol>
  </Panel>
)
