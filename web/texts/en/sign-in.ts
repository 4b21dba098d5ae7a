/* What signing in says. */
export const signIn = {
  title: 'Sign in to Headway',
  withLink: 'Signing you in…',
  command: 'On the machine that Headway runs on, this prints a link that signs you in:',
  password: 'Password',
  token: 'Token',
  user: 'User',
  userHint: 'The name an administrator gave you',
  tokenHint: 'It begins with hw_',
  enter: 'Sign in',
  invited: 'Welcome. Choose a password',
  chosen: 'New password',
  passwordHint: 'At least 12 characters',
  choose: 'Set password and sign in',
  ways: 'How to sign in',
  byPasskey: 'Sign in with a passkey',
} as const

export const passkeys = {
  title: 'Passkeys',
  none: 'None yet. A passkey signs you in by finger, face or PIN, without a password.',
  name: 'Name',
  nameHint: 'The device it lives on',
  add: 'Add a passkey',
  unused: 'never used',
  notHere: 'A passkey belongs to a name and needs an encrypted page or this very machine.',
  byName: 'Open this page by its name.',
  alreadyHere: 'This device has a passkey for you already.',
  notAnswered: 'The device did not answer: it was declined, it took too long, or it has no passkey for this page.',
} as const
