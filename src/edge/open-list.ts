/** Knows its own place in the list. */
export type Placed = { place: number }

/** What is open: entered and left once for each request, so at the cost of two assignments. */
export class OpenList<One extends Placed> {
  readonly #list: One[] = []

  get size(): number {
    return this.#list.length
  }

  enter(one: One): void {
    one.place = this.#list.length
    this.#list.push(one)
  }

  leave(one: One): void {
    if (this.#list[one.place] !== one) return
    const last = this.#list.pop()
    if (!last || last === one) return
    last.place = one.place
    this.#list[one.place] = last
  }

  /** As it is now: what happens to each may change it. */
  all(): readonly One[] {
    return [...this.#list]
  }
}
