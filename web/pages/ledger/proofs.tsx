import type { InferResponseType } from 'hono/client'
import { useState } from 'react'
import { answer, answerText, api } from '../../api/client.ts'
import { Refusal, refusalOf } from '../../api/refusal.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm, Made } from '../../ui/dialog.tsx'
import { Area } from '../../ui/form.tsx'
import { count } from '../../ui/format.ts'
import { Badge, Button } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'

type Outcome = { readonly isWhole: boolean; readonly said: string }
type Checkpoint = InferResponseType<typeof api.ledger.ledger.checkpoint.$post, 200>

/** The proof that nothing was altered: by the chain alone, or against a checkpoint that was kept elsewhere; and all of it as a file. */
export const Proofs = () => {
  const mayTake = useMay('administrator')
  const [isWorking, setIsWorking] = useState(false)
  const [outcome, setOutcome] = useState<Outcome | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [signed, setSigned] = useState<string | null>(null)
  const [isAsking, setIsAsking] = useState(false)
  const [isBuilding, setIsBuilding] = useState(false)
  const tried = async (work: () => Promise<void>): Promise<void> => {
    setIsWorking(true)
    setError(null)
    try {
      await work()
    } catch (caught) {
      setError(caught)
    } finally {
      setIsWorking(false)
    }
  }
  const verify = async (checkpoints: Checkpoint[]): Promise<void> => setOutcome(await verdictOn(checkpoints))
  const sign = async (): Promise<void> =>
    setSigned(JSON.stringify(await answer(api.ledger.ledger.checkpoint.$post()), null, 2))
  return (
    <>
      <span role="status" className="empty:-mr-2">
        {outcome && <Badge tone={outcome.isWhole ? 'good' : 'bad'}>{outcome.said}</Badge>}
      </span>
      {error !== null && <Failed error={error} />}
      <Button onClick={() => void tried(() => verify([]))} disabled={isWorking}>
        {isWorking ? t.actions.working : t.ledger.verify}
      </Button>
      <Button onClick={() => setIsAsking(true)}>{t.ledger.verifyAgainst}</Button>
      {mayTake && (
        <>
          <Button onClick={() => void tried(sign)} disabled={isWorking}>
            {t.ledger.checkpoint}
          </Button>
          <Button onClick={() => setIsBuilding(true)}>{t.ledger.views}</Button>
          <a
            href="/api/v1/ledger/export"
            download="ledger.ndjson"
            className="inline-flex min-h-8 items-center rounded-md border border-line px-3 font-medium text-ink no-underline hover:border-strong"
          >
            {t.ledger.export}
          </a>
        </>
      )}
      {isBuilding && (
        <Confirm
          title={t.ledger.viewsTitle}
          detail={t.ledger.viewsDetail}
          action={t.ledger.views}
          close={() => setIsBuilding(false)}
          act={async () => {
            const equal = equalIn(await answerText(api.ledger.ledger.views.rebuild.$post()))
            setOutcome({ isWhole: equal, said: equal ? t.ledger.viewsEqual : t.ledger.viewsDiffer })
          }}
        />
      )}
      {isAsking && (
        <Confirm
          title={t.ledger.verifyAgainst}
          detail={t.ledger.verifyDetail}
          action={t.ledger.verify}
          close={() => setIsAsking(false)}
          act={async (data) => verify([checkpointIn(textOf(data, 'checkpoints'))])}
        >
          <Area name="checkpoints" label={t.ledger.checkpointField} rows={7} isRequired />
        </Confirm>
      )}
      {signed !== null && (
        <Made
          title={t.ledger.checkpointTitle}
          parts={[{ said: t.ledger.checkpointSaid, text: signed }]}
          close={() => setSigned(null)}
        />
      )}
    </>
  )
}

/** How far it is comes line by line; the last says how it ended. */
const equalIn = (lines: string): boolean => {
  const last: unknown = JSON.parse(lines.trim().split('\n').at(-1) ?? 'null')
  if (typeof last === 'object' && last !== null && 'equal' in last) return last.equal === true
  const problem = typeof last === 'object' && last !== null && 'problem' in last ? last.problem : last
  throw refusalOf(500, JSON.stringify(problem))
}

const verdictOn = async (checkpoints: Checkpoint[]): Promise<Outcome> => {
  const chain = await answer(api.ledger.ledger.verify.$post({ json: { checkpoints } }))
  return chain.kind === 'whole'
    ? { isWhole: true, said: t.ledger.whole(count(chain.facts)) }
    : { isWhole: false, said: `${t.ledger.broken(count(chain.seq))}: ${chain.detail}` }
}

/** Its shape is the server's to judge; here it only has to be an object of those names. */
const checkpointIn = (text: string): Checkpoint => {
  try {
    const found: unknown = JSON.parse(text)
    if (isCheckpoint(found)) return found
  } catch {
    // told below
  }
  throw new Refusal({
    ...{ kind: 'bad-checkpoint', status: 0, next: null, path: 'checkpoints' },
    detail: t.ledger.badCheckpoint,
  })
}

const isCheckpoint = (found: unknown): found is Checkpoint =>
  typeof found === 'object' && found !== null && 'seq' in found && 'hash' in found && 'signature' in found
