import { type Asked, type Bucket, csvAs } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { useAct } from '../../ui/act.ts'
import { dateIn } from '../../ui/format.ts'
import { Button } from '../../ui/parts.tsx'
import { save } from '../../ui/save.ts'
import { Refused } from '../../ui/states.tsx'

type Exported = 'dora' | 'flow' | 'calms' | 'toil'

/** The answer that is shown as a file: as JSON what is here, as CSV the same table that the command line prints, which the server writes. */
export const ExportButtons = ({
  what,
  asked,
  bucket,
  answer,
}: {
  what: Exported
  asked: Asked
  bucket: Bucket
  answer: unknown
}) => {
  const { act, isWorking, refusal } = useAct()
  const file = [what, asked.project, ...(what === 'toil' || asked.service === undefined ? [] : [asked.service])].join(
    '-',
  )
  return (
    <>
      <Refused refusal={refusal} />
      <Button
        disabled={isWorking}
        onClick={() => void act(async () => save(`${file}.csv`, 'text/csv', await csvAs(what, asked, bucket)))}
      >
        {t.insights.export} CSV
      </Button>
      <Button onClick={() => save(`${file}.json`, 'application/json', JSON.stringify(answer, null, 2))}>
        {t.insights.export} JSON
      </Button>
    </>
  )
}

/** From the first to the last day, as they are called in the zone in which they are cut. */
export const spanName = ({ from, until }: { from: number; until: number }, zone: string): string =>
  `${dateIn(zone)(from)} – ${dateIn(zone)(until - 1)}`

/** Which days the figures beneath are of, and the way to take them along. */
export const ExportBar = ({
  span,
  zone,
  ...exported
}: Parameters<typeof ExportButtons>[0] & { span: { from: number; until: number }; zone: string }) => (
  <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
    <h2 className="m-0 text-sm font-semibold">{spanName(span, zone)}</h2>
    <div className="flex flex-wrap items-center gap-2">
      <ExportButtons {...exported} />
    </div>
  </div>
)
