/** A span of time as people read it: `12 ms`, `3.2 s`, `4 min 5 s`, `2 h 3 min`, `5 d`. */
export const describeDuration = (ms: number): string => {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 0.1) return `${Math.round(Math.max(0, ms))} ms`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return joined(Math.floor(whole / 60), 'min', whole % 60, 's')
  if (whole < 48 * 3600) return joined(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min')
  return `${Math.floor(whole / 86400)} d`
}

const joined = (large: number, unit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`

/** A size as people read it, in powers of 1024: `820 B`, `1.2 MiB`. */
export const describeSize = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = bytes
  let unit = 0
  for (; size >= 1024 && unit < units.length - 1; unit += 1) size /= 1024
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}
