import { join } from 'node:path'
import type { Home } from '../home.ts'
import { type ByteShelf, openByteShelf } from '../shelf.ts'

/** Where what was received lies as it came. */
export type Shelf = ByteShelf

export const createShelf = ({ blobs }: Pick<Home, 'blobs'>): Shelf => openByteShelf(join(blobs, 'events'))
