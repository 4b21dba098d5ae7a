import { posix } from 'node:path'
import type { Locate } from './case.ts'

/**
 * Finds the repository's file that a report means: by its path from the root, else by the end of the path where one file alone ends
 * so, or one alone in a folder that the suite is named after (`example.org/shop/cart` and `cart_test.go`, `com.example.CartTest`).
 */
export const locatorFor = (paths: readonly string[]): Locate => {
  const all = new Set(paths)
  const byName = Map.groupBy(paths, (path) => posix.basename(path))
  return (name, suite) => {
    const wanted = name.replace(/^file:\/\//, '').replace(/^(\.\/)+/, '')
    if (all.has(wanted)) return wanted
    const alike = (byName.get(posix.basename(wanted)) ?? []).filter((path) => isSameEnd(path, wanted))
    if (alike.length < 2) return alike[0] ?? null
    const words = suite.split(/[./]/)
    const inSuite = alike.filter((path) => words.includes(posix.basename(posix.dirname(path))))
    return inSuite.length === 1 ? (inSuite[0] ?? null) : null
  }
}

/** A path in a container begins otherwise than in the repository; one beside the test begins later. */
const isSameEnd = (path: string, wanted: string): boolean =>
  path === wanted || path.endsWith(`/${wanted}`) || wanted.endsWith(`/${path}`)
