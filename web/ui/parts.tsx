import { Link, type LinkProps } from '@tanstack/react-router'
import { type ButtonHTMLAttributes, type ReactNode, useEffect, useState } from 'react'
import { t } from '../texts/en.ts'
import { moment, roughly } from './format.ts'

/** How something is, by colour and by word: never by colour alone. */
export type Tone = 'good' | 'wait' | 'bad' | 'busy' | 'calm'

const badgeTones: Readonly<Record<Tone, string>> = {
  good: 'bg-good-wash text-good',
  wait: 'bg-wait-wash text-wait',
  bad: 'bg-bad-wash text-bad',
  busy: 'bg-accent-wash text-accent',
  calm: 'bg-sunk text-soft',
}
const dotTones: Readonly<Record<Tone, string>> = {
  good: 'bg-good',
  wait: 'bg-wait',
  bad: 'bg-bad',
  busy: 'bg-accent pulse-dot',
  calm: 'bg-strong',
}

export const Dot = ({ tone }: { tone: Tone }) => (
  <span aria-hidden="true" className={`inline-block size-2 shrink-0 rounded-full ${dotTones[tone]}`} />
)

export const Badge = ({ tone, children }: { tone: Tone; children: ReactNode }) => (
  <span
    className={`inline-flex items-center gap-1.5 whitespace-nowrap rounded-full px-2 py-0.5 text-xs font-medium ${badgeTones[tone]}`}
  >
    <Dot tone={tone} />
    {children}
  </span>
)

type ButtonKind = 'primary' | 'plain' | 'danger' | 'quiet'
const buttonKinds: Readonly<Record<ButtonKind, string>> = {
  primary: 'bg-accent-fill text-white border-transparent hover:brightness-110',
  plain: 'bg-panel border-line hover:border-strong',
  danger: 'bg-panel border-line text-bad hover:border-bad',
  quiet: 'border-transparent text-soft hover:bg-sunk hover:text-ink',
}
const buttonShape =
  'inline-flex min-h-8 items-center justify-center gap-2 whitespace-nowrap rounded-md border px-3 text-sm font-medium no-underline disabled:cursor-not-allowed disabled:opacity-60'

export const Button = ({
  kind = 'plain',
  className = '',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { kind?: ButtonKind }) => (
  <button type="button" {...rest} className={`${buttonShape} ${buttonKinds[kind]} ${className}`} />
)

export const ButtonLink = ({ kind = 'plain', ...rest }: LinkProps & { kind?: ButtonKind; children: ReactNode }) => (
  <Link {...rest} className={`${buttonShape} ${buttonKinds[kind]}`} />
)

/** The head of a page: what it is, what is known of it at a glance, what can be done. */
export const PageHead = ({
  title,
  detail,
  actions,
  above,
}: {
  title: ReactNode
  detail?: ReactNode
  actions?: ReactNode
  above?: ReactNode
}) => (
  <header className="mb-6 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
    <div className="min-w-0 flex-[1_1_18rem]">
      {above && <div className="mb-1 text-soft">{above}</div>}
      <h1 className="m-0 text-2xl leading-8 font-semibold tracking-tight">{title}</h1>
      {detail && <div className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1 text-soft">{detail}</div>}
    </div>
    {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
  </header>
)

/** A panel with a name. */
export const Panel = ({
  title,
  aside,
  children,
  className = '',
  isFlush = false,
}: {
  title?: ReactNode
  aside?: ReactNode
  children: ReactNode
  className?: string
  /** What is inside reaches the edges. */
  isFlush?: boolean
}) => (
  <section className={`min-w-0 rounded-lg border border-line bg-panel ${className}`}>
    {title && (
      <div className="flex min-h-12 flex-wrap items-center justify-between gap-x-4 gap-y-2 px-4 py-2">
        <h2 className="m-0 text-sm font-semibold">{title}</h2>
        {aside && <div className="flex flex-wrap items-center gap-2 text-soft">{aside}</div>}
      </div>
    )}
    <div className={isFlush ? '' : title ? 'px-4 pb-4' : 'p-4'}>{children}</div>
  </section>
)

/** A moment, as one thinks of it; the exact one is told on hover. */
export const Time = ({ at }: { at: number | null }) => {
  const now = useNow(15_000)
  if (at === null) return <span className="text-soft">{t.time.never}</span>
  const gone = now - at
  const said = Math.abs(gone) < 5_000 ? t.time.now : gone > 0 ? t.time.ago(roughly(gone)) : t.time.ahead(roughly(-gone))
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)} className="whitespace-nowrap">
      {said}
    </time>
  )
}

/** The time, again after each so many milliseconds. */
export const useNow = (everyMs: number): number => {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}

export const Code = ({ children }: { children: ReactNode }) => (
  <code className="rounded bg-sunk px-1 py-0.5 font-mono text-[0.8125rem]">{children}</code>
)

export const inputShape =
  'min-h-8 min-w-0 rounded-md border border-strong bg-panel px-3 text-sm placeholder:text-soft disabled:opacity-60'

/** Puts a text where it can be pasted from. */
export const CopyButton = ({ text, label, kind = 'plain' }: { text: string; label: string; kind?: ButtonKind }) => {
  const [copied, setCopied] = useState(false)
  const copy = (): void => {
    void navigator.clipboard?.writeText(text).then(
      () => {
        setCopied(true)
        setTimeout(() => setCopied(false), 1_500)
      },
      () => undefined,
    )
  }
  return (
    <Button kind={kind} onClick={copy} aria-live="polite">
      {copied ? t.actions.copied : label}
    </Button>
  )
}

/** A command to be copied as it is. */
export const Command = ({ text }: { text: string }) => (
  <div className="flex items-start gap-2 rounded-md bg-sunk p-2 pl-3">
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
    <pre tabIndex={0} className="m-0 min-w-0 flex-1 overflow-x-auto py-1 font-mono text-[0.8125rem] leading-5">
      {text}
    </pre>
    <CopyButton kind="quiet" text={text} label={t.actions.copy} />
  </div>
)

/** Lines as they are; what does not fit scrolls, by the keyboard too. */
export const Pre = ({ children, className }: { children: ReactNode; className: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
  <pre tabIndex={0} className={`m-0 overflow-auto rounded-md p-3 font-mono leading-5 ${className}`}>
    {children}
  </pre>
)
