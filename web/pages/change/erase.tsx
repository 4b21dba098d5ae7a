import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Change } from '../../api/change-queries.ts'
import { answerText, api } from '../../api/client.ts'
import { whoAmI } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Button } from '../../ui/parts.tsx'

const one = api.changes.projects[':project'].repositories[':repository'].changes[':number']

/** Whether one may erase what this user has written: it is one's own, or one is an administrator. */
const useMayErase = (project: string, writer: string): boolean => {
  const { data: me } = useQuery(whoAmI(project))
  const mayTalk = useMay('developer', project)
  const isAdministrator = useMay('administrator', project)
  return isAdministrator || (mayTalk && me?.user === writer)
}

/** Forgets for good what somebody wrote: a comment, or with null the title and the text of the change. Offered to those who may. */
export const Erase = ({
  project,
  change: { repository, number, author },
  comment,
}: {
  project: string
  change: Change
  comment: Change['comments'][number] | null
}) => {
  const [isAsked, setIsAsked] = useState(false)
  const mayErase = useMayErase(project, comment?.user ?? author)
  const queries = useQueryClient()
  if (!mayErase) return null
  const words = comment === null ? t.change.erase.text : t.change.erase.comment
  const param = { project, repository, number: String(number) }
  return (
    <>
      <Button
        kind="quiet"
        className={comment === null ? 'max-sm:order-last max-sm:-ml-3' : '-my-1.5 min-h-7! px-2! text-xs!'}
        onClick={() => setIsAsked(true)}
      >
        {words.action}
      </Button>
      {isAsked && (
        <Confirm
          title={words.title}
          detail={t.change.erase.detail}
          action={words.action}
          isDangerous
          close={() => setIsAsked(false)}
          act={async () => {
            await answerText(
              comment === null
                ? one.description.$delete({ param })
                : one.comments[':comment'].$delete({ param: { ...param, comment: comment.comment } }),
            )
            await queries.invalidateQueries({ queryKey: ['changes'] })
          }}
        />
      )}
    </>
  )
}
