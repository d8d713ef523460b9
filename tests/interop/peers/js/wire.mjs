// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { TASK_LIMIT } from './limits.mjs'

const READ_AHEAD = 256 * 1024

/** The stream was reset by the remote. */
export class StreamWasReset extends Error {
  constructor () {
    super('stream reset by the remote')
  }
}

/**
 * A stream as plain awaited reads and writes.
 *
 * The iterator of the package ends in the same way for a half-close, for a
 * reset that came before the iteration began and for a lost connection; this
 * class tells them apart.
 */
export class Wire {
  constructor (stream, muxer) {
    this.stream = stream
    this.received = 0
    this.chunks = []
    this.buffered = 0
    this.halfClosed = stream.remoteWriteStatus === 'closed' && stream.status === 'open'
    this.waiting = []
    // mplex has no flow control, so there is nobody to hold back; over QUIC a
    // paused stream is read on, and aborted at 4 MiB
    this.canPause = muxer !== '/mplex/6.7.0' && muxer !== 'quic'
    stream.addEventListener('message', evt => {
      const data = evt.data.subarray()
      this.chunks.push(data)
      this.buffered += data.byteLength
      this.received += data.byteLength
      if (this.canPause && this.buffered > READ_AHEAD && stream.readStatus === 'readable') {
        stream.pause()
      }
      this.wake()
    })
    stream.addEventListener('remoteCloseWrite', () => {
      this.halfClosed = true
      this.wake()
    })
    stream.addEventListener('close', evt => {
      this.cause = evt.error
      this.wake()
    })
    for (const name of ['end', 'drain']) {
      stream.addEventListener(name, () => { this.wake() })
    }
  }

  wake () {
    const waiting = this.waiting
    this.waiting = []
    waiting.forEach(resolve => { resolve() })
  }

  /** Wait until anything happens to the stream. */
  async change () {
    await new Promise(resolve => { this.waiting.push(resolve) })
  }

  /** Throw if the stream is over in any way but a clean one. */
  check () {
    if (this.stream.status === 'reset') {
      throw new StreamWasReset()
    }
    if (this.stream.status === 'aborted') {
      throw this.cause ?? new Error('stream aborted')
    }
  }

  /** Read what is there, or null at the end. */
  async read () {
    while (true) {
      if (this.chunks.length > 0) {
        const chunk = this.chunks.shift()
        this.buffered -= chunk.byteLength
        if (this.buffered === 0 && this.stream.readStatus === 'paused') {
          this.stream.resume()
        }
        return chunk
      }
      this.check()
      if (this.stream.readBufferLength === 0) {
        if (this.halfClosed) {
          return null
        }
        if (this.stream.status === 'closed') {
          throw new Error('connection lost before the remote closed the stream')
        }
      }
      await this.change()
    }
  }

  /** Read everything up to the end and forget it. */
  async drain () {
    while (await this.read() != null);
  }

  /** Read everything up to the end. */
  async readAll () {
    const chunks = []
    for (let chunk; (chunk = await this.read()) != null;) {
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** Write all of it, as fast as the stream takes it. */
  async write (bytes) {
    this.check()
    if (this.stream.send(bytes)) {
      return
    }
    while (this.stream.writableNeedsDrain) {
      this.check()
      if (this.stream.writeStatus !== 'writable') {
        throw new Error('stream closed while writing')
      }
      await this.change()
    }
  }

  /** Half-close: close the writing side. */
  async closeWrite () {
    await this.stream.close({ signal: AbortSignal.timeout(TASK_LIMIT) })
  }

  reset (cause) {
    this.stream.abort(cause ?? new Error('reset by the peer program'))
  }
}

/** Open a stream on exactly this connection. */
export async function openStream (connection, protocol) {
  const stream = await connection.newStream(protocol, { signal: AbortSignal.timeout(TASK_LIMIT), runOnLimitedConnection: true })
  return new Wire(stream, connection.multiplexer)
}
