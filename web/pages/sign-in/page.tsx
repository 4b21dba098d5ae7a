import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useRouteContext, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { t } from '../../texts/en.ts'
import { Frame, headingShape, Invitation, useSignIn, Ways } from './ways.tsx'

/** What a link carries after the #, which no server and no other page is told. */
const carried = (): { kind: 'link' | 'invitation'; code: string } | null => {
  const [, kind, code] = /^#(link|invitation)=(hws_[\w-]+)$/.exec(location.hash) ?? []
  return code !== undefined && (kind === 'link' || kind === 'invitation') ? { kind, code } : null
}

export const SignInPage = () => {
  const [code, setCode] = useState(carried)
  const { isWorking, error, signIn, signInByPasskey } = useSignIn(useEntrance())
  const tried = useRef('')
  useEffect(() => {
    const look = (): void => setCode(carried()) // another link, opened on this very page
    addEventListener('hashchange', look)
    return () => removeEventListener('hashchange', look)
  }, [])
  useEffect(() => {
    if (code?.kind !== 'link' || tried.current === code.code) return
    tried.current = code.code // a link is good for one try, and React in development runs this twice
    void signIn({ kind: 'link', code: code.code })
  }, [code, signIn])

  const isInvited = code?.kind === 'invitation'
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <Frame heading={<h1 className={headingShape}>{isInvited ? t.signIn.invited : t.signIn.title}</h1>} error={error}>
        {code?.kind === 'link' && !error ? (
          <p className="m-0 text-soft">{t.signIn.withLink}</p>
        ) : isInvited ? (
          <Invitation code={code.code} isWorking={isWorking} signIn={signIn} />
        ) : (
          <Ways isWorking={isWorking} signIn={signIn} signInByPasskey={signInByPasskey} />
        )}
      </Frame>
    </main>
  )
}

/** Leads to where one wanted to go, with nothing left of whoever was here before. */
const useEntrance = () => {
  const { to } = useSearch({ from: '/sign-in' })
  const { session } = useRouteContext({ from: '__root__' })
  const queries = useQueryClient()
  const navigate = useNavigate()
  return async (): Promise<void> => {
    queries.clear()
    session.begin()
    // Only to a page of ours, whatever the address says.
    await navigate({ href: to?.startsWith('/') && !to.startsWith('//') ? to : '/', replace: true })
  }
}
