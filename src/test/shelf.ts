import { join } from 'node:path'
import type { Home } from '../home.ts'
import { type Shelf as Documents, openShelf } from '../shelf.ts'
import { TestResults } from './results.ts'

/** Where the results of jobs lie. */
export type Shelf = Documents<TestResults>

export const createShelf = ({ blobs }: Pick<Home, 'blobs'>): Shelf => openShelf(join(blobs, 'tests'), TestResults)
