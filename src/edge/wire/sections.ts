import type { Section } from './head.ts'

const places = 64
/** Larger ones hold what is of one client alone, cookies above all. */
const mostBytes = 1 << 10

/**
 * Header sections that were read before, by their bytes: programs that open a connection for each request say the same over each of
 * them. The newest for each length, so that looking costs one comparison and what is kept is bounded.
 */
export class Sections {
  readonly #kept: (Section | null)[] = Array<Section | null>(places).fill(null)

  /** The section of a head that ends there; null where it has not been read, or not lately. */
  find(bytes: Buffer, end: number): Section | null {
    const from = bytes.indexOf(0x0a) + 1
    const kept = this.#kept[(end - from) % places]
    return kept && kept.bytes.length === end - from && kept.bytes.compare(bytes, from, end) === 0 ? kept : null
  }

  keep(section: Section): void {
    const { length } = section.bytes
    if (length <= mostBytes) this.#kept[length % places] = section
  }
}
