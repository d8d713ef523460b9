// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A file that a node stores, as by `libp2p send`: the page offers it with its SHA-256, the node answers
// with the place from which it lacks the bytes, and checks them at the end.
import { sha256 } from '@noble/hashes/sha2.js'

export const PROTOCOL = '/twisted-libp2p/file/1.0.0'

const PIECE = 64 * 1024
const MAX_ANSWER = 4096
const STALL_TIME = 60_000

/** Make the name one that nodes accept: without folders, and without signs that a system keeps for itself. */
function safeName (name) {
  const plain = name.replace(/\p{Zs}/gu, ' ').replace(/[/\\:*?"<>|]|\p{C}|\p{Zl}|\p{Zp}/gu, '_')
  return plain.replace(/^\.+/, '').replace(/[. ]+$/, '') || 'file'
}

class Unreadable extends Error {}

/** Read a file from a place to its end. */
async function * piecesOf (file, place) {
  for (; place < file.size; place += PIECE) {
    let piece
    try {
      piece = await file.slice(place, place + PIECE).arrayBuffer()
    } catch {
      throw new Unreadable('The file has changed, or cannot be read any longer: choose it again.')
    }
    yield new Uint8Array(piece)
  }
}

/** Give the SHA-256 of a file. Pages that came by http have none of their browser's own. */
async function digestOf (file, report) {
  const hash = sha256.create()
  let done = 0
  for await (const piece of piecesOf(file, 0)) {
    hash.update(piece)
    report('read', done += piece.byteLength)
  }
  return [...hash.digest()].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

/** Put the length before a message, as seven bits in each byte. */
function delimited (message) {
  const bytes = new TextEncoder().encode(JSON.stringify(message))
  const length = bytes.byteLength
  return new Uint8Array([...(length < 128 ? [length] : [length & 127 | 128, length >> 7]), ...bytes])
}

/** Give the answers of the node, up to a malformed one. */
async function * answersOf (stream) {
  let bytes = new Uint8Array()
  for await (const chunk of stream) {
    bytes = new Uint8Array([...bytes, ...chunk.subarray()])
    while (bytes.byteLength > 0) {
      const begin = bytes[0] < 128 ? 1 : 2
      if (bytes.byteLength < begin) break
      const length = begin === 1 ? bytes[0] : bytes[0] & 127 | bytes[1] << 7
      if (length > MAX_ANSWER) return
      if (bytes.byteLength < begin + length) break
      yield JSON.parse(new TextDecoder().decode(bytes.subarray(begin, begin + length)))
      bytes = bytes.subarray(begin + length)
    }
  }
}

/** Wait for the next answer, which has a key or is a refusal. */
async function next (answers, key) {
  const { value } = await answers.next().catch(() => ({}))
  if (value?.error != null) throw new Error(`The node refuses the file: ${value.error}.`)
  if (value?.[key] == null) throw new Error('The transfer was interrupted. Send the file again: it goes on at the same place.')
  return value
}

/** Send a file from a place on, at the pace of the stream. */
async function sendFrom (stream, file, place, signal, progress) {
  for await (const piece of piecesOf(file, place)) {
    if (!stream.send(piece)) await stream.onDrain({ signal })
    progress(place += piece.byteLength)
  }
  await stream.close({ signal })
}

/**
 * Send a file to the peer at the other end of a connection.
 *
 * @param report is called with 'read' or 'sent', and the number of bytes so far.
 * @return its name there, and its SHA-256.
 */
export async function sendOver (connection, file, report) {
  const name = safeName(file.name)
  const digest = await digestOf(file, report)
  const ending = new AbortController()
  const { signal } = ending
  let timer
  const wait = () => {
    clearTimeout(timer)
    timer = setTimeout(() => { ending.abort(new Error('The node has taken no byte for a minute.')) }, STALL_TIME)
  }
  wait()
  let stream
  try {
    stream = await connection.newStream(PROTOCOL, { signal })
    signal.addEventListener('abort', () => { stream.abort(signal.reason) })
    const answers = answersOf(stream)
    stream.send(delimited({ name, size: file.size, sha256: digest }))
    const { offset } = await next(answers, 'offset')
    const progress = done => {
      wait()
      report('sent', done)
    }
    sendFrom(stream, file, offset, signal, progress).catch(err => {
      // If the stream has ended, the next answer says why.
      if (err instanceof Unreadable) ending.abort(err)
    })
    await next(answers, 'done')
    return { name, digest }
  } catch (err) {
    stream?.abort(err)
    throw signal.aborted ? signal.reason : err
  } finally {
    clearTimeout(timer)
  }
}
