/* What every page says: the frame, states of loading and failing, times, roles. */
export const name = 'Headway'

export const shell = {
  skip: 'Skip to content',
  menu: 'Menu',
  close: 'Close',
  project: 'Project',
  search: 'Search or jump to…',
  theme: { label: 'Theme', system: 'System', light: 'Light', dark: 'Dark' },
  signOut: 'Sign out',
  keys: 'Keyboard',
  api: 'API',
  lost: 'The server does not answer. What you see is what was last known; services go on meanwhile.',
  back: 'Connected again. Everything here is up to date.',
} as const

export const nav = {
  loop: 'Loop',
  services: 'Services',
  rollouts: 'Rollouts',
  runs: 'Pipelines',
  changes: 'Changes',
  previews: 'Previews',
  incidents: 'Incidents',
  insights: 'Insights',
  ledger: 'Ledger',
  settings: 'Settings',
} as const

export const palette = {
  title: 'Go to',
  hint: 'Type a page, a service, a run or a change',
  none: 'Nothing is called so.',
  page: 'Page',
  service: 'Service',
  run: 'Run',
  change: 'Change',
} as const

export const keys = {
  title: 'Keyboard',
  palette: 'Search and jump',
  help: 'This help',
  go: (page: string) => `Go to ${page}`,
  close: 'Close what is open',
} as const

export const states = {
  loading: 'Loading',
  failed: 'This could not be loaded',
  unreachable: 'The server does not answer',
  answered: (status: number) => `The server, or what stands before it, answered with ${status} and no reason`,
  unreachableNext: 'This page tries again by itself.',
  again: 'Try again',
  next: 'Next:',
  sessionOver: 'Nothing was done: your session had ended.',
  sessionOverNext: 'Do it once more.',
  crashed: 'This page met an error of its own',
  crashedNext: 'Reload it; if that does not help, tell us what you did before.',
  reload: 'Reload',
  notFound: 'There is no such page',
  notFoundNext: 'Back to the loop',
} as const

export const table = { state: 'State', actions: 'Actions', nameless: 'What' } as const

export const time = {
  now: 'just now',
  never: 'never',
  ago: (span: string) => `${span} ago`,
  ahead: (span: string) => `in ${span}`,
} as const

export const roles = {
  viewer: 'viewer',
  developer: 'developer',
  operator: 'operator',
  administrator: 'administrator',
} as const

export const actions = {
  cancel: 'Cancel',
  confirm: 'Confirm',
  working: 'Working…',
  done: 'Done',
  details: 'Details',
  copy: 'Copy',
  copied: 'Copied',
} as const
