import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blocksOf } from './markdown.ts'

const plain = (text: string) => [{ text, as: 'plain' }]

test('a digest is read as headings, a table, lists and paragraphs', () => {
  assert.deepEqual(
    blocksOf(
      '# shop: the week\n\nFrom here.\n\n| | now |\n|---|---|\n| lead time | 2 h |\n\n## Flow\n\n- one\n- two: **open**\n\nSee `headway`.\n',
    ),
    [
      { kind: 'heading', level: 1, text: plain('shop: the week') },
      { kind: 'paragraph', text: plain('From here.') },
      { kind: 'table', head: [[], plain('now')], rows: [[plain('lead time'), plain('2 h')]] },
      { kind: 'heading', level: 2, text: plain('Flow') },
      {
        kind: 'list',
        items: [
          plain('one'),
          [
            { text: 'two: ', as: 'plain' },
            { text: 'open', as: 'strong' },
          ],
        ],
      },
      {
        kind: 'paragraph',
        text: [
          { text: 'See ', as: 'plain' },
          { text: 'headway', as: 'code' },
          { text: '.', as: 'plain' },
        ],
      },
    ],
  )
})

test('what others wrote is the text that it was, whatever marks are in it', () => {
  assert.deepEqual(blocksOf('- &#60;img src=x&#62; \\*\\*no\\*\\* \\[link\\]\\(x\\) \\`code\\` a\\|b, today'), [
    { kind: 'list', items: [plain('<img src=x> **no** [link](x) `code` a|b, today')] },
  ])
  assert.deepEqual(blocksOf('a ** lone mark and a ` tick'), [
    { kind: 'paragraph', text: plain('a ** lone mark and a ` tick') },
  ])
})
