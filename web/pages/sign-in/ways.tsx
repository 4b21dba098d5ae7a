import { type ReactNode, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { answerChallenge, hasPasskeys } from '../../api/passkey.ts'
import { Refusal } from '../../api/refusal.ts'
import { t } from '../../texts/en.ts'
import { Logo } from '../../ui/logo.tsx'
import { Button, Command, inputShape } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'

type SignIn = Parameters<typeof api.session.sessions.$post>[0]['json']

/** Signs in; `entered` is told who that was. */
export const useSignIn = (entered: (user: string) => Promise<void>) => {
  const [isWorking, setIsWorking] = useState(false)
  const [error, setError] = useState<Refusal | null>(null)
  const signInWith = async (ask: () => Promise<SignIn>): Promise<void> => {
    setIsWorking(true)
    setError(null)
    try {
      const { user } = await answer(api.session.sessions.$post({ json: await ask() }))
      await entered(user)
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

/** What stands around the ways in. */
export const Frame = ({
  heading,
  error,
  children,
}: {
  heading: ReactNode
  error: Refusal | null
  children: ReactNode
}) => (
  <div className="flex w-full max-w-sm flex-col gap-5 rounded-xl border border-line bg-panel p-6">
    <div className="flex items-center gap-3">
      <Logo size={32} />
      {heading}
    </div>
    {error && (
      <div className="rounded-md bg-bad-wash">
        <Failed error={error} />
      </div>
    )}
    {children}
  </div>
)

export const headingShape = 'm-0 text-lg font-semibold'

/** By password, token or passkey; `user`: who is expected. */
export const Ways = ({
  user = '',
  isWorking,
  signIn,
  signInByPasskey,
}: { user?: string } & Pick<ReturnType<typeof useSignIn>, 'isWorking' | 'signIn' | 'signInByPasskey'>) => {
  const [way, setWay] = useState<'password' | 'token'>('password')
  return (
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
        <ByPassword user={user} isWorking={isWorking} signIn={signIn} />
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

const ByPassword = ({ user, isWorking, signIn }: Way & { user: string }) => (
  <Form
    action={t.signIn.enter}
    isWorking={isWorking}
    submit={(data) =>
      void signIn({ kind: 'password', user: textOf(data, 'user').trim(), password: textOf(data, 'password') })
    }
  >
    <Field
      label={t.signIn.user}
      name="user"
      defaultValue={user}
      autoComplete="username"
      autoCapitalize="none"
      spellCheck={false}
    />
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

/** Chooses a password, which an invitation is good for. */
export const Invitation = ({ code, isWorking, signIn }: Way & { code: string }) => (
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
