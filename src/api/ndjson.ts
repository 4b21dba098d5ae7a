/** Objects as they come, one line of JSON for each. */
export const asNdjson = (lines: AsyncIterable<unknown>): ReadableStream<Uint8Array> => {
  const encode = async function* () {
    for await (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`)
  }
  return ReadableStream.from(encode())
}
