// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A file that is sent to a node, which sends it back.
export const PROTOCOL = '/echo/1.0.0'

const PIECE = 64 * 1024

/** Send a file at the pace of the stream. */
async function send (stream, file, signal) {
  for (let place = 0; place < file.size; place += PIECE) {
    const piece = await file.slice(place, place + PIECE).arrayBuffer()
    if (!stream.send(new Uint8Array(piece))) {
      await stream.onDrain({ signal })
    }
  }
  await stream.close({ signal })
}

/** Compare the answer with the file, piece by piece. */
async function compare (stream, file, progress) {
  let place = 0
  for await (const chunk of stream) {
    const bytes = chunk.subarray()
    const sent = new Uint8Array(await file.slice(place, place + bytes.byteLength).arrayBuffer())
    if (sent.byteLength !== bytes.byteLength || bytes.some((byte, i) => byte !== sent[i])) {
      throw new Error('The node has sent back other bytes.')
    }
    place += bytes.byteLength
    progress(place)
  }
  if (place !== file.size) {
    throw new Error(`The node has sent back ${place} of ${file.size} bytes.`)
  }
}

/** Send a file to the peer at the other end of a connection, and compare what comes back. */
export async function echoOver (connection, file, signal, progress) {
  const stream = await connection.newStream(PROTOCOL, { signal })
  const abort = () => { stream.abort(signal.reason) }
  signal.addEventListener('abort', abort)
  try {
    await Promise.all([send(stream, file, signal), compare(stream, file, progress)])
  } catch (err) {
    stream.abort(err)
    throw err
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
