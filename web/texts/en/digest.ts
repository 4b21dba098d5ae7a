/** What is said around the digest of a week. */
export const digest = {
  title: 'The week',
  earlier: 'Earlier',
  later: 'Later',
  copy: 'Copy',
  download: 'Download',
  schedule: 'By itself',
  never: 'It is not written by itself.',
  written: (day: string, hour: number, zone: string) => `Every ${day} at ${hour}:00 (${zone}).`,
  where: 'Below digests/ of the data directory, and to each webhook for dev.cdeventsx.headway-digest.*',
  every: 'Every',
  noDay: 'never',
  hour: 'At the hour',
  days: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
} as const
