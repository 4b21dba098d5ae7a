/** Ports of this machine that jobs of this Headway publish by number: two that want the same one wait for each other. */
const taken = new Map<string, { readonly by: string; readonly free: Promise<void> }>()

/**
 * Takes all of these ports (`5432/tcp`) at once, so that no two jobs hold what the other waits for; says for whom it waits. Released by
 * disposing. Rejects when `cancel` aborts.
 */
export const takePorts = async (
  ports: readonly string[],
  by: string,
  say: (line: string) => void,
  cancel: AbortSignal,
): Promise<Disposable> => {
  for (;;) {
    cancel.throwIfAborted()
    const [port] = ports.filter((one) => taken.has(one))
    const held = port === undefined ? undefined : taken.get(port)
    if (!held) break
    say(`waits for port ${port} of this machine, which job ${held.by} has until it ends`)
    await Promise.race([held.free, aborted(cancel)])
  }
  let release = (): void => undefined
  const free = new Promise<void>((resolve) => {
    release = resolve
  })
  for (const port of ports) taken.set(port, { by, free })
  return {
    [Symbol.dispose]: () => {
      for (const port of ports) taken.delete(port)
      release()
    },
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
