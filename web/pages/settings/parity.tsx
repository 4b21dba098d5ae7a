import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { differences } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Panel } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Choice } from '../../ui/tabs.tsx'

/** What differs between two environments, for each service; never a secret's value. */
export const Parity = ({ project, names }: { project: string; names: readonly string[] }) => {
  const [left, setLeft] = useState(names.at(-2) ?? '')
  const [right, setRight] = useState(names.at(-1) ?? '')
  const query = useQuery(differences(project, left, right))
  const options = names.map((value) => ({ value, name: value }))
  return (
    <Panel
      title={t.settings.parity}
      isFlush
      aside={
        <>
          <Choice label={t.settings.compare} value={left} options={options} choose={setLeft} />
          {t.settings.with}
          <Choice label={t.settings.with} value={right} options={options} choose={setRight} />
        </>
      }
    >
      <Loaded query={query}>
        {({ services }) => {
          const differing = services.filter(({ differences: some }) => some.length > 0)
          if (differing.length === 0) return <Empty>{t.settings.parityNone}</Empty>
          return (
            <TableBox label={t.settings.parity}>
              <thead>
                <tr>
                  <th>{t.services.columns.service}</th>
                  <th>{t.settings.key}</th>
                  <th>{left}</th>
                  <th>{right}</th>
                </tr>
              </thead>
              <tbody>
                {differing.flatMap(({ service, differences: some }) =>
                  some.map((one, at) => (
                    <tr key={`${service} ${one.key}`}>
                      <Cell className="font-medium">
                        {at === 0 && (
                          <Link
                            to="/projects/$project/services/$service"
                            params={{ project, service }}
                            className="text-ink"
                          >
                            {service}
                          </Link>
                        )}
                      </Cell>
                      <Cell fold="title">
                        <Foreign>{one.key}</Foreign>
                      </Cell>
                      {[one.left, one.right].map((value, side) => (
                        // biome-ignore lint/suspicious/noArrayIndexKey: a left and a right side, always two
                        <Cell fold="line" label={side === 0 ? left : right} key={side} className="max-w-72 min-w-32">
                          <Foreign className="font-mono text-xs break-all">{value ?? t.settings.missing}</Foreign>
                        </Cell>
                      ))}
                    </tr>
                  )),
                )}
              </tbody>
            </TableBox>
          )
        }}
      </Loaded>
    </Panel>
  )
}
