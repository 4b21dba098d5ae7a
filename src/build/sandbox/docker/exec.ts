import { once } from 'node:events'
import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { z } from 'zod'
import type { Clock } from '../../../clock.ts'
import { effect } from '../../../effect.ts'
import { outputRead } from '../../../processes/output.ts'
import { type Ending, heldInput, markerVariable, quietMs, type RunningProcess } from '../../jobs/processes.ts'
import type { CellStart } from '../sandbox.ts'
import { at, type Engine } from './engine.ts'

const Created = z.object({ Id: z.string() })
const Inspected = z.object({ Running: z.boolean(), ExitCode: z.number().nullable() })

/** Tells that a program in a container has ended. */
export type ExecEnds = { wait(exec: string): Promise<void> }

/** Starts a program in a running container. Its environment is told to the engine, in no command line. */
export const startExec = async (
  engine: Engine,
  container: string,
  { argv, cwd, env, marker, ...start }: CellStart,
  ends: ExecEnds,
  clock: Clock,
): Promise<RunningProcess> => {
  const input = start.input && heldInput(start.input)
  const body = {
    Cmd: argv,
    Env: Object.entries({ ...env, [markerVariable]: marker }).map(([name, value]) => `${name}=${value}`),
    WorkingDir: cwd,
    AttachStdin: input !== undefined,
    AttachStdout: true,
    AttachStderr: true,
  }
  const { Id } = await effect('build.make-exec', () =>
    engine.ask({ method: 'POST', path: at`/containers/${container}/exec`, body }, Created),
  )
  const died = ends.wait(Id)
  const { socket, head } = await effect('build.start-exec', () =>
    engine.upgrade({ method: 'POST', path: at`/exec/${Id}/start`, body: { Detach: false, Tty: false } }),
  )
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const closed = demultiplex(socket, head, stdout, stderr)
  input?.pipe(socket)
  return {
    stdout,
    stderr,
    ended: endingOf(engine, Id, { socket, shown: [stdout, stderr], died, closed }, clock),
    signal: (name) => void signalMarked(engine, container, marker, name).catch(() => undefined),
    end: () => signalMarked(engine, container, marker, 'SIGKILL'),
  }
}

type Stream = {
  readonly socket: Socket
  readonly shown: readonly PassThrough[]
  readonly died: Promise<void>
  readonly closed: Promise<void>
}

/** The program has ended when the engine says so, not when its output ends: what it left running may hold that. */
const endingOf = async (
  engine: Engine,
  exec: string,
  { socket, shown, died, closed }: Stream,
  clock: Clock,
): Promise<Ending> => {
  await Promise.race([died, closed])
  for (;;) {
    const { Running, ExitCode } = await engine.ask({ method: 'GET', path: at`/exec/${exec}/json` }, Inspected)
    if (!Running) {
      await outputRead([socket, ...shown], closed, clock, quietMs)
      socket.destroy()
      return { exitCode: ExitCode, signal: null }
    }
    await clock.sleep(20)
  }
}

const headerBytes = 8

/** Frames of the engine's attach protocol: the stream's number, three zeros, the length, the bytes. Resolves when the last has come. */
export const demultiplex = async (
  socket: Socket,
  head: Buffer,
  stdout: PassThrough,
  stderr: PassThrough,
): Promise<void> => {
  let open = head
  const take = async (): Promise<void> => {
    for (;;) {
      if (open.length < headerBytes) return
      const length = open.readUInt32BE(4)
      if (open.length < headerBytes + length) return
      const target = open[0] === 2 ? stderr : stdout
      const isRoom = target.write(open.subarray(headerBytes, headerBytes + length))
      open = open.subarray(headerBytes + length)
      if (!isRoom) await once(target, 'drain')
    }
  }
  try {
    await take()
    for await (const chunk of socket) {
      open = Buffer.concat([open, chunk])
      await take()
    }
  } catch {
    // the connection ended early; how the program ended is asked for
  } finally {
    stdout.end()
    stderr.end()
  }
}

/** Reads every process's environment, so that what has a session of its own is found, too. Run as the container's root. */
const signalScript = `for one in /proc/[0-9]*; do
  if tr '\\0' '\\n' <"$one/environ" 2>/dev/null | grep -qxF -e "$0"; then kill -s "$1" "\${one#/proc/}" 2>/dev/null; fi
done; true`

const signalMarked = async (engine: Engine, container: string, marker: string, name: NodeJS.Signals): Promise<void> => {
  const argv = ['/bin/sh', '-c', signalScript, `${markerVariable}=${marker}`, name.replace(/^SIG/, '')]
  for (let round = 0; round < (name === 'SIGKILL' ? 3 : 1); round += 1) await runQuietly(engine, container, argv)
}

/** Kills everything in the container but its first process. */
export const killAll = (engine: Engine, container: string): Promise<void> =>
  runQuietly(engine, container, ['/bin/sh', '-c', 'kill -s KILL -1; true'])

/** Runs a program as the container's root to its end and gives what it printed. */
export const runQuietly = async (engine: Engine, container: string, argv: readonly string[]): Promise<void> => {
  await outputOf(engine, container, argv, '0')
}

export const outputOf = async (
  engine: Engine,
  container: string,
  argv: readonly string[],
  user?: string,
): Promise<string> => {
  const body = { Cmd: argv, AttachStdout: true, AttachStderr: false, ...(user === undefined ? {} : { User: user }) }
  const { Id } = await effect('build.make-errand', () =>
    engine.ask({ method: 'POST', path: at`/containers/${container}/exec`, body }, Created),
  )
  const { socket, head } = await effect('build.run-errand', () =>
    engine.upgrade({ method: 'POST', path: at`/exec/${Id}/start`, body: { Detach: false, Tty: false } }),
  )
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  stderr.resume()
  const chunks: Buffer[] = []
  stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  await demultiplex(socket, head, stdout, stderr)
  return Buffer.concat(chunks).toString('utf8')
}
