import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Fragment } from 'react'
import { facts } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Button, ButtonLink, inputShape, PageHead, Panel, Time } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Proofs } from './proofs.tsx'

/** Everything that happened: by type and by what it is about, with what led to it, and the proof that nothing was altered. */
export const LedgerPage = () => {
  const search = useSearch({ from: '/shell/ledger' })
  const navigate = useNavigate({ from: '/ledger' })
  const query = useQuery(facts(search))
  const { columns } = t.ledger
  return (
    <>
      <PageHead title={t.ledger.title} detail={t.ledger.detail} actions={<Proofs />} />
      <form
        key={`${search.types} ${search.subject}`}
        className="mb-4 flex flex-wrap items-end gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          const data = new FormData(event.currentTarget)
          const text = (name: string): string | undefined =>
            String(data.get(name) ?? '').replace(/\s/g, '') || undefined
          void navigate({ search: changedSearch({}, { types: text('types'), subject: text('subject') }) })
        }}
      >
        <label className="flex min-w-0 flex-[1_1_14rem] flex-col gap-1 text-xs text-soft sm:max-w-80">
          {t.ledger.types}
          <input
            name="types"
            defaultValue={search.types}
            placeholder={t.ledger.typesHint}
            className={`${inputShape} text-ink`}
          />
        </label>
        <label className="flex min-w-0 flex-[1_1_14rem] flex-col gap-1 text-xs text-soft sm:max-w-80">
          {t.ledger.subject}
          <input
            name="subject"
            defaultValue={search.subject}
            placeholder={t.ledger.subjectHint}
            className={`${inputShape} text-ink`}
          />
        </label>
        <Button type="submit">{t.ledger.show}</Button>
        {(search.types ?? search.subject ?? search.after) !== undefined && (
          <ButtonLink kind="quiet" to="/ledger">
            {t.ledger.clear}
          </ButtonLink>
        )}
      </form>
      <Panel isFlush>
        <Loaded query={query} waiting={<Skeleton rows={10} />}>
          {(shown) =>
            shown.length === 0 ? (
              <Empty>{t.ledger.none}</Empty>
            ) : (
              <>
                <TableBox label={t.ledger.title}>
                  <thead>
                    <tr>
                      <th className="text-right!">{columns.seq}</th>
                      <th>{columns.type}</th>
                      <th>{columns.subject}</th>
                      <th>{columns.actor}</th>
                      <th className="text-right!">{columns.at}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {shown.map((fact) => {
                      const isOpen = fact.seq === search.fact
                      return (
                        <Fragment key={fact.seq}>
                          <tr>
                            <Cell label={columns.seq} className="text-right font-mono text-xs text-soft">
                              {fact.seq}
                            </Cell>
                            <Cell fold="title">
                              <Link
                                to="/ledger"
                                search={changedSearch(search, { fact: isOpen ? undefined : fact.seq })}
                                aria-expanded={isOpen}
                                resetScroll={false}
                                className="font-medium whitespace-nowrap text-ink no-underline hover:text-accent"
                              >
                                {fact.type}
                              </Link>
                            </Cell>
                            <Cell fold="line" className="max-w-96 min-w-40">
                              <Link
                                to="/ledger"
                                search={{ subject: fact.subject }}
                                className="font-mono text-xs text-soft"
                              >
                                <Foreign>{fact.subject}</Foreign>
                              </Link>
                            </Cell>
                            <Cell className="whitespace-nowrap">
                              <Foreign>{fact.actor}</Foreign>
                            </Cell>
                            <Cell fold="aside" className="text-right text-soft">
                              <Time at={fact.at} />
                            </Cell>
                          </tr>
                          {isOpen && (
                            <tr>
                              <Cell fold="whole" colSpan={5} className="bg-sunk">
                                <Fact fact={fact} />
                              </Cell>
                            </tr>
                          )}
                        </Fragment>
                      )
                    })}
                  </tbody>
                </TableBox>
                {shown.length === 100 && (
                  <div className="border-t border-line p-3 text-center">
                    <ButtonLink
                      to="/ledger"
                      search={changedSearch(search, { after: shown.at(-1)?.seq, fact: undefined })}
                    >
                      {t.ledger.older}
                    </ButtonLink>
                  </div>
                )}
              </>
            )
          }
        </Loaded>
      </Panel>
    </>
  )
}

const Fact = ({ fact }: { fact: { causes: readonly number[]; payload?: unknown } }) => (
  <div className="flex flex-col gap-3">
    {fact.causes.length > 0 && (
      <p className="m-0 flex flex-wrap gap-2 text-soft">
        {t.ledger.causes}
        {fact.causes.map((cause) => (
          <Link key={cause} to="/ledger" search={{ after: cause + 1, fact: cause }} className="font-mono text-accent">
            {cause}
          </Link>
        ))}
      </p>
    )}
    <pre className="m-0 whitespace-pre-wrap font-mono text-xs leading-5">
      <Foreign>{fact.payload === null ? t.ledger.erased : JSON.stringify(fact.payload, null, 2)}</Foreign>
    </pre>
  </div>
)
