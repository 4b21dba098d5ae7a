/** So many requests of a service at once; so many more wait, each for so long at most. */
export type Concurrency = { readonly limit: number; readonly queue: number; readonly waitMs: number }

/** Whoever wants to enter. Exactly one of the two is called, later, after it was told that it waits and unless it has given up. */
export type Entrant = { admitted(): void; tooLate(): void }

/** Lets so many in at once; the others wait in the order in which they came. Each edge process has its own. */
export class Gate {
  rule: Concurrency
  #open = 0
  readonly #waiting = new Map<Entrant, NodeJS.Timeout>()

  constructor(rule: Concurrency) {
    this.rule = rule
  }

  enter(entrant: Entrant): 'entered' | 'waits' | 'full' {
    if (this.#open < this.rule.limit && this.#waiting.size === 0) {
      this.#open += 1
      return 'entered'
    }
    if (this.#waiting.size >= this.rule.queue) return 'full'
    const late = setTimeout(() => {
      this.#waiting.delete(entrant)
      entrant.tooLate()
    }, this.rule.waitMs)
    this.#waiting.set(entrant, late)
    return 'waits'
  }

  /** Of one that had entered. */
  leave(): void {
    this.#open -= 1
    this.admit()
  }

  /** Of one that waits. */
  giveUp(entrant: Entrant): void {
    clearTimeout(this.#waiting.get(entrant))
    this.#waiting.delete(entrant)
  }

  /** As many as there is room for, also after the rule has changed. */
  admit(): void {
    for (const entrant of this.#waiting.keys()) {
      if (this.#open >= this.rule.limit) return
      this.giveUp(entrant)
      this.#open += 1
      entrant.admitted()
    }
  }

  get size(): { readonly open: number; readonly waiting: number } {
    return { open: this.#open, waiting: this.#waiting.size }
  }
}
