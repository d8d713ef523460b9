// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// What the tests do in a browser, with the peer of examples/browser.
import { multiaddr } from '@multiformats/multiaddr'
import { makeNode } from './peer.mjs'

const ECHO = '/echo/1.0.0'
const BACK = '/test/back/1.0.0'
const PIECE = 64 * 1024
const RANDOM_LIMIT = 65_536
const TIME_LIMIT = 120_000

const within = () => ({ signal: AbortSignal.timeout(TIME_LIMIT) })

function randomBytes (size) {
  const bytes = new Uint8Array(size)
  for (let i = 0; i < size; i += RANDOM_LIMIT) {
    crypto.getRandomValues(bytes.subarray(i, i + RANDOM_LIMIT))
  }
  return bytes
}

async function readAll (stream) {
  const chunks = []
  for await (const chunk of stream) {
    chunks.push(chunk.subarray().slice())
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer())
}

/** Send the bytes with the pace of the stream. */
async function send (stream, bytes) {
  for (let i = 0; i < bytes.byteLength; i += PIECE) {
    if (!stream.send(bytes.subarray(i, i + PIECE))) {
      await stream.onDrain(within())
    }
  }
}

/** Send the bytes, end our half, and read to the end. */
async function exchange (connection, protocol, bytes, half = async () => {}) {
  const stream = await connection.newStream(protocol, within())
  try {
    const answer = readAll(stream)
    const middle = bytes.byteLength >> 1
    await send(stream, bytes.subarray(0, middle))
    await half()
    await send(stream, bytes.subarray(middle))
    await stream.close(within())
    return await answer
  } catch (err) {
    stream.abort(err)
    throw err
  }
}

async function echo (connection, size, half) {
  const bytes = randomBytes(size)
  const answer = await exchange(connection, ECHO, bytes, half)
  if (answer.byteLength !== size || answer.some((byte, i) => byte !== bytes[i])) {
    throw new Error(`${answer.byteLength} bytes came, not the ${size} that were sent`)
  }
}

/** One connection of a node, and what can be done on it. */
class Tasks {
  static async dial (address) {
    const node = await makeNode()
    await node.handle(ECHO, async stream => {
      for await (const chunk of stream) {
        await send(stream, chunk.subarray())
      }
      await stream.close(within())
    })
    const identified = new Promise(resolve => {
      node.addEventListener('peer:identify', evt => { resolve(evt.detail) }, { once: true })
    })
    return new Tasks(node, await node.dial(multiaddr(address), within()), identified)
  }

  /** Measure a dial, and an echo of random bytes on its connection, both in milliseconds. */
  static async measure (address, size) {
    const node = await makeNode()
    const bytes = randomBytes(size)
    const begin = performance.now()
    const connection = await node.dial(multiaddr(address), within())
    const dialed = performance.now()
    const answer = await exchange(connection, ECHO, bytes)
    const end = performance.now()
    await node.stop()
    if (answer.byteLength !== size) {
      throw new Error(`${answer.byteLength} bytes came, not the ${size} that were sent`)
    }
    return { dial: dialed - begin, echo: end - dialed }
  }

  constructor (node, connection, identified) {
    Object.assign(this, { node, connection, identified })
    this.closed = new Promise(resolve => {
      connection.addEventListener('close', () => { resolve(true) }, { once: true })
    })
  }

  get peers () {
    return [this.connection.remotePeer.toString(), this.node.peerId.toString()]
  }

  async agent () {
    return (await this.identified).agentVersion
  }

  async ping () {
    return await this.node.services.ping.ping(this.connection.remotePeer, within())
  }

  async echo (size) {
    await echo(this.connection, size)
  }

  /** Open streams that are open at the same time: none sends its second half before all have sent their first. */
  async many (count, size) {
    let missing = count
    let release
    const all = new Promise(resolve => { release = resolve })
    const half = async () => {
      if (--missing === 0) release()
      await all
    }
    await Promise.all(Array.from({ length: count }, () => echo(this.connection, size, half)))
  }

  /** Ask the node for a stream back. */
  async back () {
    return new TextDecoder().decode(await exchange(this.connection, BACK, new Uint8Array()))
  }

  async close () {
    await this.connection.close(within())
  }
}

globalThis.Tasks = Tasks
document.documentElement.dataset.ready = 'true'
