import { useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { answerChallenge, hasPasskeys } from '../../api/passkey.ts'
import { Refusal } from '../../api/refusal.ts'
import { t } from '../../texts/en.ts'
import { Logo } from '../../ui/logo.tsx'
import { Button, Command, inputShape } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'

type SignIn = Parameters<typeof api.session.sessions.$post>[0]['json']

/** What a link carries after the #, which no server and no other page is told. */
const carried = (): { kind: 'link' | 'invitation'; code: string } | null => {
  const [, kind, code] = /^#(link|invitation)=(hws_[\w-]+)$/.exec(location.hash) ?? []
  return code !== undefined && (kind === 'link' || kind === 'invitation') ? { kind, code } : null
}

export const SignInPage = () => {
  const [code, setCode] = useState(carried)
  const [way, setWay] = useState<'password' | 'token'>('password')
  const { isWorking, error, signIn, signInByPasskey } = useSignIn()
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

  const form =
    code?.kind === 'link' && !error ? (
      <p className="m-0 text-soft">{t.signIn.withLink}</p>
    ) : code?.kind === 'invitation' ? (
      <Invitation code={code.code} isWorking={isWorking} signIn={signIn} />
    ) : (
      <>
        <div role="tablist" aria-label={t.signIn.ways} className="grid grid-cols-2 gap-1 rounded-md bg-sunk p-1">
          {(['password', 'token'] as const).map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              aria-selected={way === name}
              onClick={() => setWay(name)}
              className={`min-h-8 rounded ${way === name ? 'bg-panel font-medium shadow-sm' : 'text-soft'}`}
            >
              {t.signIn[name]}
            </button>
          ))}
        </div>
        {way === 'password' ? (
          <ByPassword isWorking={isWorking} signIn={signIn} />
        ) : (
          <ByToken isWorking={isWorking} signIn={signIn} />
        )}
        {hasPasskeys() && (
          <Button disabled={isWorking} onClick={() => void signInByPasskey()}>
            {t.signIn.byPasskey}
          </Button>
        )}
        <div className="flex flex-col gap-2 border-t border-line pt-4 text-soft">
          {t.signIn.command}
          <Command text="headway web" />
        </div>
      </>
    )

  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="flex w-full max-w-sm flex-col gap-5 rounded-xl border border-line bg-panel p-6">
        <div className="flex items-center gap-3">
          <Logo size={32} />
          <h1 className="m-0 text-lg font-semibold">
            {code?.kind === 'invitation' ? t.signIn.invited : t.signIn.title}
          </h1>
        </div>
        {error && (
          <div className="rounded-md bg-bad-wash">
            <Failed error={error} />
          </div>
        )}
        {form}
      </div>
    </main>
  )
}

const useSignIn = () => {
  const { to } = useSearch({ from: '/sign-in' })
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [isWorking, setIsWorking] = useState(false)
  const [error, setError] = useState<Refusal | null>(null)
  const signInWith = async (ask: () => Promise<SignIn>): Promise<void> => {
    setIsWorking(true)
    setError(null)
    try {
      await answer(api.session.sessions.$post({ json: await ask() }))
      queries.clear()
      // Only to a page of ours, whatever the address says.
      await navigate({ href: to?.startsWith('/') && !to.startsWith('//') ? to : '/', replace: true })
    } catch (caught) {
      if (!(caught instanceof Refusal)) throw caught
      setError(caught)
    } finally {
      setIsWorking(false)
    }
  }
  const signIn = (json: SignIn) => signInWith(async () => json)
  const signInByPasskey = () => signInWith(async () => ({ kind: 'passkey', response: await answerChallenge() }))
  return { isWorking, error, signIn, signInByPasskey }
}

type Way = { isWorking: boolean; signIn: (json: SignIn) => Promise<void> }

const Form = ({
  submit,
  children,
  action,
  isWorking,
}: {
  submit: (data: FormData) => void
  children: ReactNode
  action: string
  isWorking: boolean
}) => (
  <form
    className="flex flex-col gap-4"
    onSubmit={(event) => {
      event.preventDefault()
      submit(new FormData(event.currentTarget))
    }}
  >
    {children}
    <Button type="submit" kind="primary" disabled={isWorking}>
      {isWorking ? t.actions.working : action}
    </Button>
  </form>
)

const Field = ({
  label,
  hint,
  ...rest
}: React.InputHTMLAttributes<HTMLInputElement> & { label: string; hint?: string }) => (
  <label className="flex flex-col gap-1 font-medium">
    {label}
    <input {...rest} required className={inputShape} />
    {hint && <span className="text-xs font-normal text-soft">{hint}</span>}
  </label>
)

const textOf = (data: FormData, name: string): string => String(data.get(name) ?? '')

const ByPassword = ({ isWorking, signIn }: Way) => (
  <Form
    action={t.signIn.enter}
    isWorking={isWorking}
    submit={(data) =>
      void signIn({ kind: 'password', user: textOf(data, 'user').trim(), password: textOf(data, 'password') })
    }
  >
    <Field label={t.signIn.user} name="user" autoComplete="username" autoCapitalize="none" spellCheck={false} />
    <Field label={t.signIn.password} name="password" type="password" autoComplete="current-password" />
  </Form>
)

const ByToken = ({ isWorking, signIn }: Way) => (
  <Form
    action={t.signIn.enter}
    isWorking={isWorking}
    submit={(data) => void signIn({ kind: 'token', token: textOf(data, 'token').trim() })}
  >
    <Field label={t.signIn.token} hint={t.signIn.tokenHint} name="token" type="password" autoComplete="off" />
  </Form>
)

const Invitation = ({ code, isWorking, signIn }: Way & { code: string }) => (
  <Form
    action={t.signIn.choose}
    isWorking={isWorking}
    submit={(data) => void signIn({ kind: 'invitation', code, password: textOf(data, 'password') })}
  >
    <Field
      label={t.signIn.chosen}
      hint={t.signIn.passwordHint}
      name="password"
      type="password"
      minLength={12}
      autoComplete="new-password"
    />
  </Form>
)
