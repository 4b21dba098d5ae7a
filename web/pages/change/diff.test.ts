import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filesIn, pairsOf } from './diff.ts'

const text = `diff --git a/src/page.js b/src/page.js
index 1..2 100644
--- a/src/page.js
+++ b/src/page.js
@@ -3,3 +3,4 @@ const page = () => {
 same
-old
+new
+more
 end
diff --git a/gone.txt b/gone.txt
deleted file mode 100644
--- a/gone.txt
+++ /dev/null
@@ -1 +0,0 @@
--- not a head
diff --git "a/\\303\\244.txt" "b/\\303\\244.txt"
new file mode 100644
--- /dev/null
+++ "b/\\303\\244.txt"
@@ -0,0 +1 @@
+<script>alert(1)</script>
\\ No newline at end of file
diff --git a/a.png b/b.png
similarity index 90%
rename from a.png
rename to b.png
Binary files a/a.png and b/b.png differ
`

test('a diff is read file by file, line by line, whatever its lines look like', () => {
  const files = filesIn(text)
  assert.deepEqual(
    files.map(({ path, previous, added, removed }) => [path, previous, added, removed]),
    [
      ['src/page.js', null, 2, 1],
      ['gone.txt', null, 0, 1],
      ['ä.txt', null, 1, 0],
      ['b.png', 'a.png', 0, 0],
    ],
  )
  assert.deepEqual(
    files[0]?.hunks[0]?.lines.map(({ kind, old, new: fresh, text }) => [kind, old, fresh, text]),
    [
      ['same', 3, 3, 'same'],
      ['removed', 4, null, 'old'],
      ['added', null, 4, 'new'],
      ['added', null, 5, 'more'],
      ['same', 5, 6, 'end'],
    ],
  )
  assert.equal(files[1]?.hunks[0]?.lines[0]?.text, '-- not a head')
})

test('side by side, what was removed stands beside what was added in its place', () => {
  const [hunk] = filesIn(text)[0]?.hunks ?? []
  assert.deepEqual(hunk && pairsOf(hunk).map(({ old, new: fresh }) => [old?.text ?? null, fresh?.text ?? null]), [
    ['same', 'same'],
    ['old', 'new'],
    [null, 'more'],
    ['end', 'end'],
  ])
})
