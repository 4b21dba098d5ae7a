/** What the page of previews says. */
export const previews = {
  title: 'Previews',
  detail: 'Each open change, to be looked at before it is merged: an address and a database of its own.',
  none: 'No change is open. Push a branch as a change and its preview is made once its checks have passed:',
  command: 'git push headway HEAD:my-branch -o change',
  columns: { change: 'Change', state: 'State', address: 'Look at it', goes: 'Goes' },
  status: {
    none: 'waits for checks',
    held: 'held',
    packaging: 'packaging',
    deploying: 'deploying',
    ready: 'ready',
    failed: 'failed',
    ending: 'being taken down',
    removed: 'taken down',
  },
  version: (version: number) => `version ${version}`,
  start: 'Start',
  remove: 'Take down',
  removeTitle: (change: string) => `Take down the preview of ${change}?`,
  removeDetail: 'Its database goes with it. The next push of the change makes it anew.',
  rules: {
    title: 'Previews of changes',
    enabled: 'Changes get previews',
    quota: 'At the same time, at most',
    days: 'Days without a push until one is taken down',
    copyFrom: 'Databases may be copied from',
    copyHint: 'Names of environments, with commas between. Whoever proposes a change can read all that is copied.',
    disabled: 'Changes get no previews.',
    shown: (quota: number, age: string, from: string) =>
      `At most ${quota} at the same time, each taken down after ${age} without a push; databases may be copied from ${from || 'nowhere'}.`,
  },
} as const
