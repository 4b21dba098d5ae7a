import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from './clock.ts'
import { type Home, homeAt } from './home.ts'
import { readServerNote } from './lock.ts'
import { agentSocket, isAnswering } from './runtimes/process/agent.ts'
import { connectProcessRuntime } from './runtimes/process/index.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))
const homes: Home[] = []
const children: ChildProcess[] = []

/** The place of a Headway of a test's own; it and what runs there are gone after the tests of the file. */
export const newHome = (): Home => {
  const home = homeAt(mkdtempSync(join(tmpdir(), 'headway-server-')))
  homes.push(home)
  return home
}

after(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  for (const home of homes) {
    if (await isAnswering(agentSocket(home))) {
      const runtime = await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })
      await runtime.shutdown('stop')
    }
    for (const directory of [home.root, home.sockets, home.work]) rmSync(directory, { recursive: true, force: true })
  }
})

export type Started = {
  readonly child: ChildProcess
  readonly said: () => string
  readonly outcome: 'ready' | number | string
}

/** `headway up` in a process of its own, until it is ready or has ended. */
export const up = async (
  home: Home,
  words: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Started> => {
  const starting = start(home, words, env)
  return { ...starting, outcome: await starting.outcome }
}

/** The same from its first moment on. */
export const start = (
  home: Home,
  words: readonly string[] = [],
  env: Record<string, string> = {},
): Omit<Started, 'outcome'> & { readonly outcome: Promise<Started['outcome']> } => {
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      main,
      'up',
      '--home',
      home.root,
      '--edge-port',
      '0',
      ...(words.includes('--port') ? [] : ['--port', '0']),
      ...words,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } },
  )
  children.push(child)
  let said = ''
  const ready = new Promise<'ready'>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (text: Buffer) => {
        said += text
        if (said.includes('is ready at')) resolve('ready')
      })
  })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return { child, said: () => said, outcome: Promise.race([ready, ended]) }
}

/** Its exit code, or the signal that ended it. */
export const stop = async ({ child }: Started, signal: NodeJS.Signals): Promise<number | string> => {
  const ended = once(child, 'exit')
  child.kill(signal)
  const [code, by] = await ended
  return (code ?? by) as number | string
}

/** Asks the server of a home as its administrator. */
export const ask = async (home: Home, path: string): Promise<Response> =>
  fetch(`${readServerNote(home)?.url}${path}`, {
    headers: { authorization: `Bearer ${readFileSync(home.token, 'utf8').trim()}` },
  })
