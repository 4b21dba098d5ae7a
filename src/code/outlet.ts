import type { Readable, Writable } from 'node:stream'

/** What receive-pack answers, on its way to the client; it can be held back until what it tells has been recorded. */
export type Outlet = {
  hold(): void
  release(): void
  /** Resolves once the source has ended and all of it is on its way. */
  readonly drained: Promise<void>
}

const mostHeldBytes = 4 * 1024 * 1024

/**
 * Held back, the source is still read, because it must not stand still while its answer waits for its own hook; what it says then
 * are lines about refs, whose number is limited.
 */
export const createOutlet = (source: Readable, sink: Writable): Outlet => {
  let held: Buffer[] | null = null
  let heldBytes = 0
  const send = (chunk: Buffer): void => {
    if (sink.destroyed || sink.write(chunk)) return
    source.pause()
  }
  const go = (): void => void source.resume()
  sink.on('drain', go)
  sink.on('close', go)
  source.on('data', (chunk: Buffer) => {
    if (held === null) return send(chunk)
    held.push(chunk)
    heldBytes += chunk.length
    if (heldBytes > mostHeldBytes) release()
  })
  const release = (): void => {
    const waiting = held ?? []
    held = null
    heldBytes = 0
    for (const chunk of waiting) send(chunk)
  }
  const drained = new Promise<void>((resolve) => source.once('close', resolve)).then(release)
  return {
    hold: () => {
      held ??= []
    },
    release,
    drained,
  }
}
