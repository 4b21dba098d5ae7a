import { setImmediate as breathe } from 'node:timers/promises'

const linesAtOnce = 2000

/** Takes the lines of a text one after another, without their ends, letting others work in between. */
export const eachLine = async (text: string, take: (line: string) => void): Promise<void> => {
  for (let from = 0, count = 1; from <= text.length; count += 1) {
    const end = text.indexOf('\n', from)
    const to = end < 0 ? text.length : end
    take(text.slice(from, text[to - 1] === '\r' && to > from ? to - 1 : to))
    from = to + 1
    if (count % linesAtOnce === 0) await breathe()
  }
}

const casesAtOnce = 200

/** Gives each to `take` until it says that it has enough, letting others work in between. */
export const eachUntil = async <Item>(items: readonly Item[], take: (item: Item) => boolean): Promise<void> => {
  for (const [index, item] of items.entries()) {
    if (!take(item)) return
    if (index % casesAtOnce === casesAtOnce - 1) await breathe()
  }
}
