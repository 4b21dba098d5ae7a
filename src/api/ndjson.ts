/** Those who read give up on an answer that says nothing for five minutes, and so do proxies, many of them after one. */
const beatMs = 45_000

/** Objects as they come, one line of JSON for each; an empty line now and then while none comes. */
export const asNdjson = (lines: AsyncIterable<unknown>, everyMs = beatMs): ReadableStream<Uint8Array> => {
  const encode = async function* () {
    const source = lines[Symbol.asyncIterator]()
    try {
      for (let next = source.next(); ; ) {
        const said = await within(next, everyMs)
        if (said?.done) return
        yield Buffer.from(said ? `${JSON.stringify(said.value)}\n` : '\n')
        if (said) next = source.next()
      }
    } finally {
      await source.return?.()
    }
  }
  return streamOf(encode())
}

/**
 * What `act` tells while it goes on, of each moment only the newest, and at the end what it came to. It goes on when nobody reads any
 * more; when it fails, so does the reading.
 */
export async function* telling<Line>(act: (tell: (line: Line) => void) => Promise<Line>): AsyncGenerator<Line> {
  let newest: { readonly line: Line } | null = null
  let hasMore = Promise.withResolvers<void>()
  let hasEnded = false
  const acting = act((line) => {
    newest = { line }
    hasMore.resolve()
  }).finally(() => {
    hasEnded = true
  })
  acting.catch(() => undefined) // said to whoever reads to the end
  const takeNewest = (): typeof newest => {
    const taken = newest
    newest = null
    hasMore = Promise.withResolvers()
    return taken
  }
  while (!hasEnded) {
    await Promise.race([acting, hasMore.promise])
    const taken = takeNewest()
    if (taken) yield taken.line
  }
  yield await acting
}

const chunkCharacters = 65_536

/** What lines say, and nothing else: a file to be kept. */
export const asText = (lines: AsyncIterable<{ readonly text: string }>): ReadableStream<Uint8Array> => {
  const encode = async function* () {
    let gathered = ''
    for await (const { text } of lines) {
      gathered += `${text}\n`
      if (gathered.length < chunkCharacters) continue
      yield Buffer.from(gathered)
      gathered = ''
    }
    if (gathered !== '') yield Buffer.from(gathered)
  }
  return streamOf(encode())
}

/** What is promised; null when it takes longer. */
const within = async <Value>(promised: Promise<Value>, ms: number): Promise<Value | null> => {
  const { promise: late, resolve } = Promise.withResolvers<null>()
  const timer = setTimeout(() => resolve(null), ms)
  try {
    return await Promise.race([promised, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Chunks as they are asked for; ends their source when nobody reads any more. */
export const streamOf = (chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  const source = chunks[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await source.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: async () => {
        await source.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
