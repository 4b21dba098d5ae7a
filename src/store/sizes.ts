const sizes = [100, 10, 1] as const

/** The same values in parts of few sizes, so that few statements are enough for however many. */
export const inSizes = <Value>(values: readonly Value[]): Value[][] => {
  const found: Value[][] = []
  for (let at = 0; at < values.length; ) {
    const size = sizes.find((one) => one <= values.length - at) ?? 1
    found.push(values.slice(at, at + size))
    at += size
  }
  return found
}
