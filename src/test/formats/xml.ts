import { setImmediate as breathe } from 'node:timers/promises'
import sax from 'sax'

/** What a reader of XML is told, in document order. */
export type XmlListener = {
  /** Attributes by name without a prefix. False: nothing further is wanted. */
  open(name: string, attributes: Readonly<Record<string, string>>): boolean
  text(text: string): void
  close(name: string): void
}

/** What was wrong with a document; what came before it has been told. */
export type XmlFault = string

const sliceCharacters = 64 * 1024
const maximumDepth = 200
const maximumFaults = 20
const maximumAttributes = 200
/** A failure's message stands in an attribute, and may hold a whole page. */
const longestToken = 4 * 1024 * 1024

/**
 * Reads a document slice by slice, letting others work in between. Reports come from tests that were killed and from generators with
 * faults of their own: a small fault is passed over, after a large one what came before counts. Refused at once are entities of its
 * own and a document type within the document (an entity that grows without end, a file of this machine), and deep nesting. An external
 * document type is never fetched.
 */
export const readXml = async (text: string, listener: XmlListener): Promise<XmlFault | null> => {
  Reflect.set(sax, 'MAX_BUFFER_LENGTH', longestToken) // its published types leave this setting out
  const parser = sax.parser(true, { position: true })
  let depth = 0
  let faults = 0
  let attributesOfTag = 0
  let fault: string | null = null
  let isOver = false
  const stop = (why: string | null): void => {
    isOver = true
    fault = why ?? fault
  }
  parser.ondoctype = (doctype) => {
    if (doctype.includes('[')) stop('it declares entities or a document type of its own, which is refused')
  }
  parser.onattribute = () => {
    attributesOfTag += 1
    if (attributesOfTag > maximumAttributes) stop(`an element has more than ${maximumAttributes} attributes`)
  }
  parser.onopentag = ({ name, attributes }) => {
    attributesOfTag = 0
    if (isOver) return
    depth += 1
    if (depth > maximumDepth) return stop(`it is nested more than ${maximumDepth} deep`)
    const named = Object.entries(attributes).map(([key, value]): [string, string] => [local(key), String(value)])
    if (!listener.open(local(name), Object.fromEntries(named))) stop(null)
  }
  parser.onclosetag = (name) => {
    if (isOver) return
    depth -= 1
    listener.close(local(name))
  }
  parser.ontext = (piece) => {
    if (!isOver) listener.text(piece)
  }
  parser.oncdata = parser.ontext
  parser.onerror = (error) => {
    fault ??= `line ${parser.line + 1}: ${error.message.split('\n')[0]}`
    faults += 1
    if (faults >= maximumFaults) isOver = true
    parser.resume()
  }
  for (let at = 0; at < text.length && !isOver; at += sliceCharacters) {
    parser.write(text.slice(at, at + sliceCharacters))
    await breathe()
  }
  if (!isOver) parser.close()
  return fault
}

const local = (name: string): string => name.slice(name.indexOf(':') + 1)
