import { join } from 'node:path'
import type { Home } from '../home.ts'
import { type Shelf as Documents, openShelf } from '../shelf.ts'
import { EvidenceDocument } from './document.ts'

/** Where the evidence of judgings lies. */
export type Shelf = Documents<EvidenceDocument>

export const createShelf = ({ blobs }: Pick<Home, 'blobs'>): Shelf =>
  openShelf(join(blobs, 'evidence'), EvidenceDocument)
