import { useQuery } from '@tanstack/react-query'
import { explanation } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { Panel, Pre } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

/** What the five lines stand for, as `headway explain` tells it. */
export const ServiceFile = ({ project, service }: { project: string; service: string }) => {
  const query = useQuery(explanation(project, service))
  return (
    <Panel title={t.service.file}>
      <Loaded query={query}>{({ text }) => <Pre className="bg-sunk text-[0.8125rem]">{text}</Pre>}</Loaded>
    </Panel>
  )
}
