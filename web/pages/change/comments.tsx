import { useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import type { Change } from '../../api/change-queries.ts'
import { answer, api } from '../../api/client.ts'
import { t } from '../../texts/en.ts'
import { useAct } from '../../ui/act.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { Button, inputShape, Time } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'

export type Comments = Change['comments']
/** A line of the old or the new text, from 1. */
export type Place = { readonly line: number; readonly side: 'old' | 'new' }
/** What is said about the lines of a file, and what is being written. */
export type Talk = {
  readonly comments: Comments
  readonly writing: Place | null
  readonly begin: (place: Place) => void
  readonly form: ReactNode
}

/** Comments as they were written. */
export const Said = ({ comments }: { comments: Comments }) => (
  <ul className="m-0 flex list-none flex-col gap-3 p-0">
    {comments.map(({ comment, user, at, body, version, place }) => (
      <li key={comment}>
        <span className="flex flex-wrap gap-x-3 text-soft">
          <strong className="font-medium text-ink">
            <Foreign>{user}</Foreign>
          </strong>
          <Time at={at} />
          <span>{t.change.version(version)}</span>
          {place && <span>{t.change.line(place.line)}</span>}
        </span>
        <Foreign className="block whitespace-pre-wrap">{body}</Foreign>
      </li>
    ))}
  </ul>
)

/** Says something about a line of the version that is looked at. */
export const Write = ({
  project,
  change,
  file,
  place,
  close,
}: {
  project: string
  change: Change
  file: string
  place: Place
  close: () => void
}) => {
  const [text, setText] = useState('')
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const one = api.changes.projects[':project'].repositories[':repository'].changes[':number']
  const param = { project, repository: change.repository, number: String(change.number) }
  return (
    <form
      className="flex flex-col gap-2"
      onKeyDown={(event) => event.key === 'Escape' && close()}
      onSubmit={(event) => {
        event.preventDefault()
        void act(async () => {
          const json = { body: text, version: change.version, place: { file, ...place } }
          await answer(one.comments.$post({ param, json }))
          await queries.invalidateQueries({ queryKey: ['changes'] })
          close()
        })
      }}
    >
      <textarea
        // biome-ignore lint/a11y/noAutofocus: it was asked for by the button right above it
        autoFocus
        aria-label={t.change.about(file, place.line)}
        placeholder={t.change.write}
        rows={3}
        required
        value={text}
        onChange={(event) => setText(event.target.value)}
        className={`${inputShape} w-full py-2`}
      />
      {refusal && <Failed error={refusal} />}
      <span className="flex gap-2">
        <Button type="submit" kind="primary" disabled={isWorking}>
          {isWorking ? t.actions.working : t.change.comment}
        </Button>
        <Button onClick={close}>{t.actions.cancel}</Button>
      </span>
    </form>
  )
}
