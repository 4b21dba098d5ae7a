import { useQueryClient } from '@tanstack/react-query'
import { useRouteContext } from '@tanstack/react-router'
import { useCallback, useEffect, useId, useRef } from 'react'
import { answer, api } from '../../api/client.ts'
import { t } from '../../texts/en.ts'
import { Frame, headingShape, useSignIn, Ways } from './ways.tsx'

/**
 * Covers a page whose session has ended until its user has signed in again: here, or in another tab. Beneath it everything stays as it was,
 * open dialogs and what was typed there, which is kept nowhere else. Who signs in as somebody else gets the page anew.
 */
export const SignInAgain = ({ user }: { user: string }) => {
  const enter = useReturn(user)
  const { isWorking, error, signIn, signInByPasskey } = useSignIn(enter)
  const dialog = useRef<HTMLDialogElement>(null)
  const name = useId()
  useEffect(() => {
    const element = dialog.current
    if (element && !element.open) element.showModal()
    element?.querySelector<HTMLInputElement>('input[type=password]')?.focus()
    return () => element?.close()
  }, [])
  useEffect(() => {
    const look = (): void => {
      answer(api.access.me.$get({ query: {} })).then(
        (me) => enter(me.user),
        () => undefined, // still nobody
      )
    }
    addEventListener('focus', look)
    return () => removeEventListener('focus', look)
  }, [enter])
  return (
    <dialog
      ref={dialog}
      aria-labelledby={name}
      onCancel={(event) => event.preventDefault()}
      onClose={() => dialog.current?.showModal()}
      className="m-0 h-dvh max-h-none w-screen max-w-none overflow-y-auto border-0 bg-page p-0 text-ink"
    >
      <div className="grid min-h-dvh place-items-center p-4">
        <Frame
          heading={
            <h2 id={name} className={headingShape}>
              {t.signIn.title}
            </h2>
          }
          error={error}
        >
          <p role="status" className="m-0">
            {t.signIn.over} <span className="text-soft">{t.signIn.overFor(user)}</span>
          </p>
          <Ways user={user} isWorking={isWorking} signIn={signIn} signInByPasskey={signInByPasskey} />
        </Frame>
      </div>
    </dialog>
  )
}

/** Goes on with the page for the user whose it is; nobody else is shown what was typed and seen there. */
const useReturn = (user: string) => {
  const { session } = useRouteContext({ from: '__root__' })
  const queries = useQueryClient()
  return useCallback(
    async (entered: string): Promise<void> => {
      if (entered !== user) return location.reload()
      session.begin()
      await queries.invalidateQueries()
    },
    [user, session, queries],
  )
}
