import { type ChildProcess, spawn } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { Duplex, type Readable, type Writable } from 'node:stream'
import type { Role } from '../access/facts.ts'
import { effect, effectSync } from '../effect.ts'
import { describeError } from '../problem.ts'
import type { RepositoryKey } from './address.ts'
import { withoutTitle } from './changes/options.ts'
import { type Dialogue, type HookCall, openDialogue } from './dialogue.ts'
import { type GitLimits, gitEnvironment, servingConfiguration } from './git.ts'
import { type Examination, inspectPush } from './inspection.ts'
import { createOutlet } from './outlet.ts'
import type { Protection } from './protection.ts'
import type { RecordedUpdate, Recorder } from './recorder.ts'
import type { Refusals } from './refusals.ts'

export type PushParts = {
  readonly hooks: string
  readonly limits: GitLimits
  readonly recorder: Recorder
  readonly refusals: Refusals
  /** Waits for the repository; nobody else changes it until the returned way out is taken. */
  enter(key: RepositoryKey): Promise<() => void>
  protectionOf(key: RepositoryKey): Promise<Protection>
  /** What speaks against a push into a repository of Headway's own. */
  examine(key: RepositoryKey, ...pushed: Parameters<Examination>): ReturnType<Examination>
  /** Records what a push that is about to be accepted asks for beyond its refs. */
  announce(key: RepositoryKey, call: HookCall, actor: string): Promise<void>
  /** Tells how the pushed updates fare until there is nothing more to tell. */
  narrate(updates: readonly RecordedUpdate[], say: (line: string) => void, signal: AbortSignal): Promise<unknown>
  /** Records what a push has changed as soon as that is possible again. */
  discoverLater(key: RepositoryKey): void
  report(message: string): void
}

export type PushRequest = {
  readonly key: RepositoryKey
  readonly directory: string
  readonly actor: string
  /** The pusher's role in the project. */
  readonly role: Role | null
  /** What the client sends, unpacked. */
  readonly body: Readable
}

/**
 * Serves one push with the real receive-pack. Nothing changes before the push was inspected; the client is told of no change that
 * is not in the ledger; then it is told how its change fares. `stopping` ends the telling, not the push.
 */
export const servePush = async (
  parts: PushParts,
  { key, directory, actor, role, body }: PushRequest,
  response: ServerResponse,
  stopping: AbortSignal,
): Promise<void> => {
  const child = effectSync('code.receive-pack', () =>
    spawn('git', [...servingConfiguration(parts.hooks, parts.limits), 'receive-pack', '--stateless-rpc', directory], {
      env: gitEnvironment,
      cwd: directory,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
      detached: true, // Ctrl-C on the control plane is not for it
    }),
  )
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  ended.catch(() => {}) // heard at the end
  const { stdin, stdout, stderr, fromHook, toHook } = pipesOf(child)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const outlet = createOutlet(stdout, response)
  let errors = ''
  stderr.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString('utf8')).slice(-2000)
  })
  stdin.on('error', () => {}) // it has read enough, or has died
  feed(body, stdin)

  let leave = (): void => {}
  let isUnrecorded = false
  const dialogue: Dialogue = openDialogue(fromHook, toHook, (call) => {
    const act = call.hook === 'pre-receive' ? judge(call) : follow(call)
    act.catch((error: unknown) => {
      parts.report(`a push to ${key.project}/${key.repository}: ${describeError(error)}`)
      dialogue.say(`Headway could not finish: ${describeError(error)}`)
      if (call.hook === 'post-receive') dialogue.say('the push is kept; it is recorded and goes on as soon as possible')
      outlet.release()
      dialogue.answer(call.hook === 'pre-receive' ? 'refuse' : 'end')
    })
  })

  const judge = async (call: HookCall): Promise<void> => {
    const examine: Examination = (updates, variables) => parts.examine(key, updates, variables)
    const verdict = await inspectPush(directory, call, await parts.protectionOf(key), role, examine)
    if (verdict.kind === 'refused') {
      await parts.refusals.push(key, actor, call.updates, verdict.lines)
      for (const line of verdict.lines) dialogue.say(line)
      return dialogue.answer('refuse')
    }
    await parts.announce(key, call, actor)
    leave = await parts.enter(key)
    isUnrecorded = true
    outlet.hold()
    await effect('code.accept-push', () => dialogue.answer('accept'))
  }

  const follow = async (call: HookCall): Promise<void> => {
    const recorded = await parts.recorder.pushed(key, call.updates, { actor, options: withoutTitle(call.options) })
    isUnrecorded = false
    leave()
    outlet.release()
    await parts.narrate(recorded, dialogue.say, AbortSignal.any([stopping, gone.signal]))
    await effect('code.end-push', () => dialogue.answer('end'))
  }

  try {
    const exitCode = await ended
    if (exitCode !== 0 && errors.trim() !== '')
      parts.report(`receive-pack for ${key.project}/${key.repository} ended with ${exitCode}: ${errors.trim()}`)
  } finally {
    leave()
    // What it did without telling: a hook was killed, or the ledger could not be written.
    if (isUnrecorded) parts.discoverLater(key)
    await outlet.drained
    response.end()
  }
}

/** Passes the client's bytes on; what comes after receive-pack has refused is read and dropped, so that the client hears why. */
const feed = (body: Readable, stdin: Writable): void => {
  let closed = false
  stdin.once('close', () => {
    closed = true
    body.resume()
  })
  stdin.on('drain', () => body.resume())
  body.on('data', (chunk: Buffer) => {
    if (!closed && !stdin.write(chunk)) body.pause()
  })
  body.once('end', () => stdin.end())
  body.once('error', () => stdin.end())
  body.once('close', () => stdin.end())
}

type Pipes = { stdin: Writable; stdout: Readable; stderr: Readable; fromHook: Duplex; toHook: Duplex }

const pipesOf = (child: ChildProcess): Pipes => {
  const [stdin, stdout, stderr, fromHook, toHook] = child.stdio
  if (!stdin || !stdout || !stderr || !(fromHook instanceof Duplex) || !(toHook instanceof Duplex))
    throw new Error('receive-pack was started without its pipes')
  return { stdin, stdout, stderr, fromHook, toHook }
}
