/** Objects as they come, one line of JSON for each. */
export const asNdjson = (lines: AsyncIterable<unknown>): ReadableStream<Uint8Array> => {
  const encode = async function* () {
    for await (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`)
  }
  return streamOf(encode())
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
