import { useQuery } from '@tanstack/react-query'
import { refs } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { branchOf, personOf, short } from '../../ui/format.ts'
import { Badge, Button, Time } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'

/** The branches and tags of a repository, the newest first, and who moved them last. */
export const Refs = ({ project, repository, close }: { project: string; repository: string; close: () => void }) => {
  const query = useQuery(refs(project, repository))
  return (
    <Dialog title={t.repositories.refsOf(repository)} close={close} className="w-[min(44rem,calc(100vw-2rem))]">
      <div className="flex flex-col gap-4 pt-3 pb-5">
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{t.repositories.refsNone}</Empty>
            ) : (
              <div className="max-h-[60vh] overflow-y-auto px-1">
                <TableBox label={t.repositories.refs}>
                  <thead>
                    <tr>
                      <th>{t.repositories.ref}</th>
                      <th>{t.service.commit}</th>
                      <th>{t.repositories.movedBy}</th>
                      <th className="text-right!">{t.repositories.moved}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {all
                      .toSorted((one, other) => other.updatedAt - one.updatedAt)
                      .map(({ ref, object, actor, updatedAt }) => (
                        <tr key={ref}>
                          <Cell fold="title" className="w-full min-w-40">
                            <span className="flex flex-wrap items-center gap-2">
                              <Foreign className="[overflow-wrap:anywhere]">{branchOf(ref)}</Foreign>
                              {ref.startsWith('refs/tags/') && <Badge tone="calm">{t.repositories.tag}</Badge>}
                            </span>
                          </Cell>
                          <Cell className="font-mono text-xs">{short(object)}</Cell>
                          <Cell>
                            <Foreign>{personOf(actor)}</Foreign>
                          </Cell>
                          <Cell className="text-right text-soft">
                            <Time at={updatedAt} />
                          </Cell>
                        </tr>
                      ))}
                  </tbody>
                </TableBox>
              </div>
            )
          }
        </Loaded>
        <Button className="mx-5 self-end" onClick={close}>
          {t.shell.close}
        </Button>
      </div>
    </Dialog>
  )
}
