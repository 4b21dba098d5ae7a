import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonAncestor, isMeant, parsePatterns, searchRoots } from './glob.ts'

const place = { work: '/w', home: '/h', withDescendants: true }
const meant = (text: string, ...paths: string[]): string[] =>
  paths.filter((path) => isMeant(parsePatterns(text, place), path))

test('patterns mean what @actions/glob means by them', () => {
  assert.deepEqual(meant('dist', '/w/dist', '/w/dist/a/b', '/w/dist2', '/dist'), ['/w/dist', '/w/dist/a/b'])
  assert.deepEqual(meant('./dist/', '/w/dist/a'), ['/w/dist/a'])
  assert.deepEqual(meant('dist/*.js', '/w/dist/a.js', '/w/dist/.a.js', '/w/dist/a/b.js', '/w/dist/a.jsx'), [
    '/w/dist/a.js',
    '/w/dist/.a.js',
  ])
  assert.deepEqual(meant('**/*.log', '/w/a.log', '/w/a/b/c.log', '/w/a.log/inside', '/x/a.log'), [
    '/w/a.log',
    '/w/a/b/c.log',
    '/w/a.log/inside',
  ])
  assert.deepEqual(meant('a/**/b', '/w/a/b', '/w/a/x/y/b', '/w/ab'), ['/w/a/b', '/w/a/x/y/b'])
  assert.deepEqual(meant('a?c/[x-z]/[!0-9]', '/w/abc/y/a', '/w/abc/a/a', '/w/abc/y/1'), ['/w/abc/y/a'])
  assert.deepEqual(meant('a+b(c)/{d,e}', '/w/a+b(c)/{d,e}', '/w/a+b(c)/d'), ['/w/a+b(c)/{d,e}'])
  assert.deepEqual(meant('a\\*b\na[[]b', '/w/a*b', '/w/axb', '/w/a[b'), ['/w/a*b', '/w/a[b'])
  assert.deepEqual(meant('~/.npm', '/h/.npm/x', '/w/~/.npm'), ['/h/.npm/x'])
  assert.deepEqual(meant('/abs/x', '/abs/x/y'), ['/abs/x/y'])
  assert.deepEqual(
    meant('dist\n# dist2\n!dist/tmp\ndist/tmp/keep', '/w/dist/a', '/w/dist/tmp/b', '/w/dist/tmp/keep', '/w/dist2'),
    ['/w/dist/a', '/w/dist/tmp/keep'],
  )
})

test('only folders that can hold something are looked through, each once', () => {
  const roots = (text: string, withDescendants = true) =>
    searchRoots(parsePatterns(text, { ...place, withDescendants })).map(({ root, depth }) => [root, depth])
  assert.deepEqual(roots('a/b/*.js\na\n!c\nd'), [
    ['/w/a', null],
    ['/w/d', null],
  ])
  assert.deepEqual(roots('a\na'), [['/w/a', null]])
  assert.deepEqual(roots('a\nab/*/c\nx/**/y', false), [
    ['/w/a', 0],
    ['/w/ab', 2],
    ['/w/x', null],
  ])
})

test('the folder that several paths have in common', () => {
  assert.equal(commonAncestor(['/w/a/b', '/w/a/c/d']), '/w/a')
  assert.equal(commonAncestor(['/w/a', '/w/a/c']), '/w/a')
  assert.equal(commonAncestor(['/w/ab', '/w/ac']), '/w')
  assert.equal(commonAncestor(['/a', '/b']), '/')
})
