import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { publishedSchema } from '../src/golden/schema.ts'

// `npm run schema`: writes the published JSON Schema of headway.yaml; a test compares it with the definition.
const file = join(dirname(dirname(fileURLToPath(import.meta.url))), 'schema/headway.schema.json')
writeFileSync(file, `${JSON.stringify(publishedSchema(), null, 2)}\n`)
console.log(`wrote ${file}`)
