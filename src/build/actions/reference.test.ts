import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ActionReference, readReference } from './reference.ts'

const remote = (owner: string, repository: string, path: string, ref: string): ActionReference => ({
  ...{ kind: 'remote', owner, repository, path, ref },
})

test('uses: names an action of the workspace, of a repository at a version, or an image', () => {
  const forms: readonly [uses: string, reference: ActionReference][] = [
    ['./.github/actions/lint/', { kind: 'local', path: '.github/actions/lint' }],
    ['./', { kind: 'local', path: '' }],
    ['actions/checkout@v4', remote('actions', 'checkout', '', 'v4')],
    ['Owner/re.po_x/a/b@feature/x', remote('Owner', 're.po_x', 'a/b', 'feature/x')],
    [`o/r@${'a'.repeat(40)}`, remote('o', 'r', '', 'a'.repeat(40))],
    ['docker://ghcr.io/a/b:1.2', { kind: 'image', image: 'ghcr.io/a/b:1.2' }],
  ]
  for (const [uses, reference] of forms) assert.deepEqual(readReference(uses), { kind: 'read', reference }, uses)
})

test('what could lead elsewhere is refused', () => {
  const refused = [
    'actions/checkout',
    'checkout@v4',
    './../secrets',
    './a/../../b',
    'o/r/../../x@v1',
    'o/../x@v1',
    'o/r@',
    'o/r@--upload-pack=x',
    'o/r@a..b',
    'o/r@main:file',
    'o/r@v1^{tree}',
    'o/r@a b',
    '-o/r@v1',
    'docker://',
    'docker://-v /:/x',
    'https://example.org/o/r@v1',
  ]
  for (const uses of refused) assert.equal(readReference(uses).kind, 'refused', uses)
})
