import { fields, list, Malformed, text, whole } from '../agent/check.ts'

/** What a client had of a service's rate: which route of the table, whose address, how many requests. */
export type Taken = { readonly route: string; readonly client: string; readonly requests: number }

/** Told at once; beyond it clients are each edge's own for that moment. */
export const mostTaken = 2_000

export const parseTaken = (value: unknown): Taken[] => {
  const taken = list(fields(value, 'body').taken, 'taken', (one, at) => {
    const { route, client, requests } = fields(one, at)
    return {
      route: text(route, `${at}.route`),
      client: text(client, `${at}.client`),
      requests: whole(requests, `${at}.requests`),
    }
  })
  if (taken.length > 64 * mostTaken) throw new Malformed('taken is too long')
  return taken
}

/**
 * Carries between edges what clients had of a rate, so that several of them hold one limit together: each goes by its own count at
 * once, and by those of the others as soon as it is told. Until then a client can have as much more as one edge gives, from each.
 */
export class TakenElsewhere {
  readonly #due = new Map<number, Map<string, Taken>>()

  /** What an edge is to be told; asked once. */
  for(pid: number): Taken[] {
    const due = [...(this.#due.get(pid)?.values() ?? [])]
    this.#due.delete(pid)
    return due
  }

  /** What one has told goes to the others. */
  told(by: number, taken: readonly Taken[], all: readonly number[]): void {
    for (const pid of this.#due.keys()) if (!all.includes(pid)) this.#due.delete(pid)
    for (const pid of all) {
      if (pid === by) continue
      const due = this.#due.get(pid) ?? new Map<string, Taken>()
      this.#due.set(pid, due)
      for (const one of taken) {
        const key = `${one.route} ${one.client}`
        due.set(key, { ...one, requests: one.requests + (due.get(key)?.requests ?? 0) })
      }
    }
  }
}
