import type { Settings } from '../../access/access.ts'
import type { Clock } from '../../clock.ts'
import type { Target } from '../../deploy/index.ts'
import { effect } from '../../effect.ts'
import type { NotifyTarget } from '../../golden/alerts.ts'
import { describeError } from '../../problem.ts'
import type { RunAs } from '../../processes/command.ts'
import { run } from '../../processes/run.ts'
import { postWebhook } from '../../webhook.ts'

export type NotifyPorts = {
  readonly clock: Clock
  readonly settings: Pick<Settings, 'resolve'>
  /** The unprivileged user of a purpose; null when Headway is not root. */
  userFor(purpose: string): Promise<RunAs | null> | RunAs | null
}

export type Notification = {
  /** The same for every try, so that a receiver can tell a repetition. */
  readonly id: string
  readonly target: Target
  readonly body: string
}

export type Delivery = { readonly to: string; readonly outcome: 'done' | 'failed'; readonly detail: string }

const tries = 7
const firstWaitMs = 1_000
const commandWithinMs = 60_000

/** Tells somebody of an alert; what fails for a moment is tried again for about a minute. Rejects only when the signal aborts. */
export const createNotifier =
  (ports: NotifyPorts) =>
  async (to: NotifyTarget, notification: Notification, signal: AbortSignal): Promise<Delivery> =>
    to.kind === 'webhook' ? post(ports, to, notification, signal) : command(ports, to.argv, notification, signal)

const post = async (
  { clock, settings }: NotifyPorts,
  { url, secret }: Extract<NotifyTarget, { kind: 'webhook' }>,
  { id, target, body }: Notification,
  signal: AbortSignal,
): Promise<Delivery> => {
  const isAddress = url.includes(':')
  const names = [...(isAddress ? [] : [url]), ...(secret === null ? [] : [secret])]
  const { values, missing } = await settings.resolve(target, names)
  if (missing.length > 0) return { to: nameOf(url), outcome: 'failed', detail: `${missing.join(' and ')} is not set` }
  const address = URL.parse(isAddress ? url : (values[url] ?? ''))
  if (!address || !/^https?:$/.test(address.protocol))
    return { to: nameOf(url), outcome: 'failed', detail: `${nameOf(url)} holds no address` }
  const key = secret === null ? null : (values[secret] ?? null)
  let detail = ''
  for (let tried = 1; tried <= tries; tried += 1) {
    signal.throwIfAborted()
    const atSeconds = Math.floor(clock.now() / 1000)
    const webhook = { address, id, contentType: 'application/json', body, key, atSeconds }
    const answer = await effect('monitor.notify-webhook', () => postWebhook(webhook, signal))
    if (answer.outcome === 'done') return { to: address.host, outcome: 'done', detail: answer.detail }
    detail = `${answer.detail}; tried ${tried} ${tried === 1 ? 'time' : 'times'}`
    if (!answer.isPassing) break
    if (tried < tries) await clock.sleep(firstWaitMs * 2 ** (tried - 1), signal)
  }
  return { to: address.host, outcome: 'failed', detail }
}

const nameOf = (url: string): string => URL.parse(url)?.host ?? url

const command = async (
  { userFor }: NotifyPorts,
  argv: readonly string[],
  { id, body }: Notification,
  signal: AbortSignal,
): Promise<Delivery> => {
  const [program = '', ...args] = argv
  try {
    const user = await userFor('alerts')
    const outcome = await effect('monitor.notify-command', () =>
      run(
        {
          argv: [program, ...args],
          cwd: '/',
          env: { PATH: '/usr/local/bin:/usr/bin:/bin', HEADWAY_ALERT: id },
          input: body,
          timeoutMs: commandWithinMs,
          maxOutputBytes: 1024 * 1024,
          ...(user ? { user } : {}),
        },
        signal,
      ),
    )
    if (outcome.exitCode === 0) return { to: program, outcome: 'done', detail: 'ended with exit code 0' }
    const how = outcome.timedOut
      ? `was stopped after ${commandWithinMs / 1000} s`
      : `ended with ${outcome.signal ?? `exit code ${outcome.exitCode}`}`
    const said = outcome.stderr.trim().split('\n').at(-1) ?? ''
    return { to: program, outcome: 'failed', detail: said === '' ? how : `${how}: ${said.slice(0, 200)}` }
  } catch (error) {
    signal.throwIfAborted()
    return { to: program, outcome: 'failed', detail: describeError(error) }
  }
}
