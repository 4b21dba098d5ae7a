import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { Socket } from 'node:net'
import { effectSync } from '../../effect.ts'

/** What the kernel keeps of a widened pipe: less than the 1 MiB that anybody may ask for. */
export const wideBytes = 512 * 1024

/** Git's own companion, so that it is on most machines. */
const perl = ['/usr/bin/perl', '/bin/perl'].find((path) => existsSync(path))

/** Widens the pipes whose descriptors here it reads (F_SETPIPE_SZ is 1031); ends when it has had nothing to do for a minute, or with Headway. */
const script = `
use Fcntl;
alarm 60;
while (<STDIN>) {
  alarm 60;
  sysopen(PIPE, "/proc/$ARGV[0]/fd/" . int, O_RDONLY | O_NONBLOCK) or next;
  fcntl(PIPE, 1031, ${wideBytes});
  close(PIPE);
}`

let widener: ChildProcess | null = null

/**
 * A pipe holds 64 KiB, half of what `cat` writes at once: program and reader then wait for each other after each of them, and waking somebody takes as
 * long as copying that much. 100 MB so take 85 ms even when nobody looks at them, and 40 through a pipe of 1 MiB. (A socket would hold more, but
 * nobody could open `/dev/stdout` then.) Node.js has no call for it; another program does it, one for all pipes, as a process as large as Headway takes
 * 5 to 10 ms to start one. Where nothing can widen it, it stays as it is.
 */
export const widenPipe = (descriptor: number): void => {
  if (perl === undefined) return
  widener ??= startWidener(perl)
  widener.stdin?.write(`${descriptor}\n`)
}

const startWidener = (program: string): ChildProcess => {
  const child = effectSync('build.widen-pipe', () =>
    spawn(program, ['-e', script, `${process.pid}`], { cwd: '/', env: {}, stdio: ['pipe', 'ignore', 'ignore'] }),
  )
  child.on('error', () => undefined) // pipes stay as they are
  child.stdin.on('error', () => undefined) // it has just ended
  child.once('exit', () => {
    widener = null
  })
  child.unref() // nobody waits for it
  if (child.stdin instanceof Socket) child.stdin.unref()
  return child
}
