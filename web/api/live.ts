import type { QueryClient } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { base } from './client.ts'
import { refusalOf } from './refusal.ts'
import type { Session } from './session.ts'

/** How the connection to the server stands; `back` for a moment after it was lost. */
export type Link = 'connecting' | 'live' | 'lost' | 'back'

const shownBackMs = 4_000
const retryMs = 2_000
const gatherMs = 250
const hiddenMs = 30_000

/** Which queries a fact makes old, by the first word of its type. The rest of what is shown does not depend on facts. */
const madeOld: Readonly<Record<string, readonly string[]>> = {
  repository: ['repositories', 'projects'],
  ref: ['repositories', 'pushes', 'changes'],
  push: ['pushes', 'releases', 'changes'],
  change: ['changes'],
  'workflow-event': ['runs', 'changes'],
  run: ['runs', 'changes', 'broken', 'protected'],
  job: ['runs', 'changes', 'protected'],
  main: ['broken', 'changes'],
  tests: ['tests'],
  release: ['releases'],
  promotion: ['promotions'],
  environment: ['environments', 'promotions', 'protected'],
  deployment: ['services', 'deployments', 'rollouts', 'releases', 'promotions', 'environments', 'insights'],
  rollout: ['rollouts', 'services'],
  service: ['services', 'instances'],
  instance: ['services', 'instances'],
  drift: ['services'],
  alert: ['alerts'],
  user: ['users', 'me'],
  role: ['users', 'me'],
  token: ['tokens'],
  session: ['sessions', 'me'],
  passkey: ['passkeys', 'sessions'],
  secret: ['settings'],
  runner: ['runners'],
  migration: ['services', 'rollouts', 'migrations'],
  preview: ['previews', 'services'],
  'preview-rules': ['previews'],
  'change-rules': ['repositories', 'changes'],
  database: ['databases'],
  cache: ['caches'],
  incident: ['incidents', 'insights'],
  delivery: ['insights'],
  attribution: ['incidents', 'insights'],
  toil: ['insights'],
  survey: ['surveys', 'insights'],
  event: ['door'],
}

/**
 * Follows the facts as the server records them and lets those queries be asked again that they make old. A hidden page follows nothing
 * after a while: a browser has only a handful of connections to one server, and the other tabs need them.
 */
export const createLive = (queries: QueryClient, session: Session) => {
  let link: Link = 'connecting'
  let stream: AbortController | null = null
  let retry: ReturnType<typeof setTimeout> | undefined
  let hiding: ReturnType<typeof setTimeout> | undefined
  let _gathering: ReturnType<typeof setTimeout> | undefined
  let wasLost = false
  let last: string | null = null
  const old = new Set<string>()
  const listeners = new Set<() => void>()

  const become = (next: Link): void => {
    if (link === next) return
    link = next
    for (const listener of listeners) listener()
  }

  const gather = (type: string): void => {
    for (const key of [...(madeOld[type.split('.')[0] ?? ''] ?? []), 'ledger']) old.add(key)
    _gathering ??= setTimeout(() => {
      _gathering = undefined
      const keys = [...old]
      old.clear()
      for (const key of keys) void queries.invalidateQueries({ queryKey: [key] })
    }, gatherMs)
  }

  const opened = (): void => {
    if (!wasLost) {
      become('live')
      return
    }
    wasLost = false
    void queries.invalidateQueries() // what happened meanwhile is not known piece by piece
    become('back')
    setTimeout(() => link === 'back' && become('live'), shownBackMs)
  }

  const lost = (): void => {
    stream = null
    wasLost = true
    clearTimeout(retry)
    // Nothing is heard until somebody has signed in.
    become(session.isOver() ? 'connecting' : 'lost')
    if (session.isOver()) return
    retry = setTimeout(open, retryMs)
  }

  const close = (): void => {
    stream?.abort()
    stream = null
  }

  const open = (): void => {
    close()
    const mine = new AbortController()
    stream = mine
    const hear = ({ id, type }: Heard): void => {
      last = id
      gather(type)
    }
    followEvents({ after: last, signal: mine.signal, opened, hear }).then(
      () => stream === mine && lost(),
      (error: unknown) => {
        if (stream !== mine) return
        session.heed(error)
        lost()
      },
    )
  }

  const followVisibility = (): void => {
    clearTimeout(hiding)
    if (document.visibilityState === 'visible') {
      if (stream === null && link !== 'lost') open()
    } else hiding = setTimeout(close, hiddenMs)
  }

  const followSession = (): void => {
    if (!session.isOver() && stream === null) open()
  }
  let unfollowSession = (): void => undefined

  return {
    start: () => {
      open()
      unfollowSession = session.listen(followSession)
      document.addEventListener('visibilitychange', followVisibility)
    },
    stop: () => {
      unfollowSession()
      document.removeEventListener('visibilitychange', followVisibility)
      clearTimeout(retry)
      close()
    },
    link: () => link,
    listen: (listener: () => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

export type Live = ReturnType<typeof createLive>

export const useLink = (live: Live): Link => useSyncExternalStore(live.listen, live.link)

type Heard = { readonly id: string; readonly type: string }

/** Reads server-sent events until they end. Not by EventSource, which gives up for good when a server that starts answers 503. */
const followEvents = async (options: {
  after: string | null
  signal: AbortSignal
  opened(): void
  hear(event: Heard): void
}): Promise<void> => {
  const { after, signal } = options
  const headers: HeadersInit = after === null ? {} : { 'last-event-id': after }
  const response = await fetch(`${base}/events`, { headers, signal })
  if (!response.ok || !response.body) throw refusalOf(response.status, await response.text())
  options.opened()
  let rest = ''
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const events = (rest + value).split('\n\n')
    rest = events.pop() ?? ''
    for (const event of events) {
      const [, id, type] = /^id: (\d+)\nevent: (.+)$/m.exec(event) ?? []
      if (id !== undefined && type !== undefined) options.hear({ id, type })
    }
  }
}
