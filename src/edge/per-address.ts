import { isIPv6 } from 'node:net'

/** Who counts as one: an address; of IPv6 its first 64 bits, which is what a household gets. */
export const networkOf = (address: string): string => {
  if (!isIPv6(address)) return address
  const [head = '', tail = ''] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const missing = address.includes('::') ? Math.max(0, 8 - before.length - after.length) : 0
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after].slice(0, 4).join(':')
}

/** How much each address has open; it remembers nobody who has nothing. */
export class PerAddress {
  readonly #most: number
  readonly #open = new Map<string, number>()

  constructor(most: number) {
    this.#most = most
  }

  /** False when it has as much open as it may. */
  enter(address: string): boolean {
    const key = networkOf(address)
    const open = this.#open.get(key) ?? 0
    if (open >= this.#most) return false
    this.#open.set(key, open + 1)
    return true
  }

  leave(address: string): void {
    const key = networkOf(address)
    const open = (this.#open.get(key) ?? 1) - 1
    if (open === 0) this.#open.delete(key)
    else this.#open.set(key, open)
  }

  get size(): number {
    return this.#open.size
  }
}
