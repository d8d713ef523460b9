// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// HTTP/1.1 on a stream of libp2p: one request, and its answer to the end.
export const PROTOCOL = '/http/1.1'
const MAX_ANSWER = 4 * 1024 * 1024

/** Read a stream to its end. */
async function readAll (stream, signal) {
  const chunks = []
  let size = 0
  for await (const chunk of stream) {
    signal.throwIfAborted()
    size += chunk.byteLength
    if (size > MAX_ANSWER) {
      throw new Error(`the answer has more than ${MAX_ANSWER} bytes`)
    }
    chunks.push(chunk.subarray())
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer())
}

/** Find the end of the next line. */
function lineEnd (bytes, begin) {
  const end = bytes.indexOf(10, begin)
  if (end < 0 || bytes[end - 1] !== 13) {
    throw new Error('the answer ends too early')
  }
  return end + 1
}

const ascii = bytes => new TextDecoder('latin1').decode(bytes)

/** Put the chunks of a body together. */
function unchunk (bytes) {
  const parts = []
  for (let place = 0; ;) {
    const begin = lineEnd(bytes, place)
    const size = parseInt(ascii(bytes.subarray(place, begin)), 16)
    if (!(size >= 0) || begin + size > bytes.byteLength) {
      throw new Error('the answer ends too early')
    }
    if (size === 0) {
      return new Blob(parts).arrayBuffer()
    }
    parts.push(bytes.subarray(begin, begin + size))
    place = begin + size + 2
  }
}

/** Fetch a path from the web server of the peer at the other end of a connection. */
export async function fetchOver (connection, path, signal) {
  const stream = await connection.newStream(PROTOCOL, { signal })
  const abort = () => { stream.abort(signal.reason) }
  signal.addEventListener('abort', abort)
  try {
    const whole = readAll(stream, signal)
    const request = [
      `GET ${encodeURI(path)} HTTP/1.1`, `Host: ${connection.remotePeer}`, 'Connection: close', '', ''
    ]
    stream.send(new TextEncoder().encode(request.join('\r\n')))
    const bytes = await whole
    let place = lineEnd(bytes, 0)
    const [, status, reason] = /^HTTP\/1\.[01] (\d{3}) ?(.*)\r\n$/.exec(ascii(bytes.subarray(0, place))) ?? []
    if (status == null) {
      throw new Error('the peer does not answer as a web server')
    }
    const headers = new Headers()
    for (let next; (next = lineEnd(bytes, place)) !== place + 2; place = next) {
      const [name, ...value] = ascii(bytes.subarray(place, next - 2)).split(':')
      headers.append(name, value.join(':').trim())
    }
    const body = bytes.subarray(place + 2)
    const chunked = headers.get('transfer-encoding')?.toLowerCase() === 'chunked'
    return {
      status: Number(status),
      reason,
      headers,
      body: chunked ? new Uint8Array(await unchunk(body)) : body
    }
  } finally {
    signal.removeEventListener('abort', abort)
    stream.close().catch(() => {})
  }
}
