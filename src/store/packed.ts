/**
 * Values on their way to or from a worker. Bytes travel in one transferred block: a cloned Buffer would drag its whole
 * pool slab along, and thousands of small ones are slow.
 */
export type Packed = {
  readonly cells: readonly unknown[]
  /** For each cell that is bytes: its index in `cells`, then where its bytes start and end. */
  readonly places: readonly number[]
  readonly bytes: ArrayBuffer
}

const noBytes = new ArrayBuffer(0)

export const pack = (values: readonly unknown[]): Packed => {
  const places: number[] = []
  let size = 0
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]
    if (!(value instanceof Uint8Array)) continue
    places.push(index, size, size + value.byteLength)
    size += value.byteLength
  }
  if (places.length === 0) return { cells: values, places, bytes: noBytes }
  const block = new Uint8Array(size)
  const cells = values.slice()
  for (let at = 0; at < places.length; at += 3) {
    const index = places[at] ?? 0
    const value = values[index]
    if (value instanceof Uint8Array) block.set(value, places[at + 1])
    cells[index] = null
  }
  return { cells, places, bytes: block.buffer }
}

/** The values again; bytes are views of the block. */
export const unpack = ({ cells, places, bytes }: Packed): unknown[] => {
  const values = cells.slice()
  for (let at = 0; at < places.length; at += 3) {
    const start = places[at + 1] ?? 0
    values[places[at] ?? 0] = Buffer.from(bytes, start, (places[at + 2] ?? 0) - start)
  }
  return values
}
