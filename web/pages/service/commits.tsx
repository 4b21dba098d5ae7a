import { useQuery } from '@tanstack/react-query'
import { commits } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'
import { Time } from '../../ui/parts.tsx'
import { Loaded, Skeleton } from '../../ui/states.tsx'

/** What a release brought that the one before had not. */
export const Commits = ({
  project,
  repository,
  since,
  until,
  path,
}: {
  project: string
  repository: string
  /** Null: it is the first. */
  since: string | null
  until: string
  path: string
}) => {
  const query = useQuery(commits(project, repository, { since, until, path }))
  return (
    <Loaded query={query} waiting={<Skeleton rows={2} rowClass="h-6" />}>
      {({ commits: brought, areMore }) =>
        brought.length === 0 ? (
          <p className="m-0 text-soft">{t.service.noCommits}</p>
        ) : (
          <>
            <ul className="m-0 flex list-none flex-col gap-1 p-0">
              {brought.map(({ commit, title, author, committedAt }) => (
                <li key={commit} className="flex flex-wrap items-baseline gap-x-3">
                  <code className="font-mono text-xs" title={commit}>
                    {short(commit)}
                  </code>
                  <Foreign className="min-w-0 flex-[1_1_12rem]">{title}</Foreign>
                  <span className="text-soft">
                    <Foreign>{author}</Foreign> · <Time at={committedAt} />
                  </span>
                </li>
              ))}
            </ul>
            {areMore && <p className="m-0 mt-1 text-soft">{t.service.moreCommits}</p>}
          </>
        )
      }
    </Loaded>
  )
}
