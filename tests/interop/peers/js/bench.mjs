// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { createInterface } from 'node:readline'
import { multiaddr } from '@multiformats/multiaddr'
import { CONNECT_LIMIT, NO_LIMIT } from './limits.mjs'
import { makeNode } from './node.mjs'
import { printLine, reason } from './output.mjs'
import { ECHO, PERF } from './serve.mjs'

const PING = '/ipfs/ping/1.0.0'
const PING_SIZE = 32
const BLOCK_SIZE = 64 * 1024

const bytesOf = data => data instanceof Uint8Array ? data : data.subarray()

/** Wait until all that the remote sends has come, and count it. */
async function untilEnd (stream) {
  let count = 0
  for await (const data of stream) {
    count += data.byteLength
  }
  return count
}

/** Wait until the stream takes more; its own onDrain waits only once. */
async function drained (stream) {
  while (stream.writableNeedsDrain && stream.writeStatus === 'writable') {
    await new Promise(resolve => { stream.addEventListener('drain', resolve, { once: true }) })
  }
}

/** Send so many bytes that mean nothing, and half-close. */
async function sendBlocks (stream, size, most) {
  const block = new Uint8Array(most)
  for (let left = size; left > 0; left -= most) {
    if (!stream.send(left < most ? block.subarray(0, left) : block)) {
      await drained(stream)
    }
  }
  await stream.close()
}

/** Serve what the works need, and nothing else. */
async function serve (node) {
  const limits = { maxInboundStreams: NO_LIMIT, maxOutboundStreams: NO_LIMIT }
  await node.handle(ECHO, stream => {
    stream.addEventListener('message', evt => { stream.send(evt.data) })
    stream.addEventListener('remoteCloseWrite', () => { stream.close().catch(() => {}) })
  }, limits)
  await node.handle(PERF, async stream => {
    const header = new Uint8Array(8)
    let count = 0
    for await (const data of stream) {
      if (count < 8) {
        header.set(bytesOf(data).subarray(0, 8 - count), count)
      }
      count += data.byteLength
    }
    await sendBlocks(stream, Number(Buffer.from(header).readBigUInt64BE()), BLOCK_SIZE)
  }, limits)
}

/** Print where this peer listens, then serve until its parent is done. */
export async function benchListen (choices) {
  const node = await makeNode(choices)
  await serve(node)
  await node.start()
  printLine({
    peerId: node.peerId.toString(),
    addrs: node.getMultiaddrs().map(addr => addr.toString()),
    pid: process.pid
  })
  process.stdin.on('end', () => { process.exit(0) })
  process.stdin.resume()
}

/** Send a few bytes and wait until they are back. */
function echoed (stream, sent) {
  return new Promise((resolve, reject) => {
    let missing = sent.byteLength
    const onMessage = evt => {
      missing -= evt.data.byteLength
      if (missing === 0) {
        done()
        resolve()
      }
    }
    const onClose = () => {
      done()
      reject(new Error('the stream ended before the echo'))
    }
    const done = () => {
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('close', onClose)
    }
    stream.addEventListener('message', onMessage)
    stream.addEventListener('close', onClose)
    stream.send(sent)
  })
}

/** A dialer that does what it is told as often as it is told. */
class Bencher {
  constructor (choices) {
    this.choices = choices
    this.target = multiaddr(choices.target)
    // What handshakes use, one for each lane.
    this.lanes = []
  }

  async startNode () {
    const node = await makeNode(this.choices)
    await node.start()
    return node
  }

  /** Give the connection that all works but handshakes use. */
  async connected () {
    this.connection ??= await this.dialed(await this.startNode())
    return this.connection
  }

  dialed (node) {
    return node.dial(this.target, { force: true, signal: AbortSignal.timeout(CONNECT_LIMIT) })
  }

  async perf (order, send, want) {
    const connection = await this.connected()
    return inLanes(order.lanes, async () => {
      const stream = await connection.newStream(PERF, { maxOutboundStreams: NO_LIMIT })
      const header = Buffer.alloc(8)
      header.writeBigUInt64BE(BigInt(want))
      stream.send(header)
      const ended = untilEnd(stream)
      await sendBlocks(stream, send, order.block)
      const got = await ended
      if (got !== want) {
        throw new Error(`${got} of ${want} bytes came`)
      }
    })
  }

  async upload (order) {
    return this.perf(order, Math.floor(order.amount / order.lanes), 0)
  }

  async download (order) {
    return this.perf(order, 0, Math.floor(order.amount / order.lanes))
  }

  async streams (order) {
    const connection = await this.connected()
    const sent = Buffer.from('12345')
    let begun = 0
    return inLanes(order.lanes, async () => {
      while (begun++ < order.amount) {
        const stream = await connection.newStream(ECHO, { maxOutboundStreams: NO_LIMIT })
        await echoed(stream, sent)
        stream.close().catch(() => {})
      }
    })
  }

  async handshakes (order) {
    while (this.lanes.length < order.lanes) {
      this.lanes.push(await this.startNode())
    }
    const sent = Buffer.from('1')
    const times = []
    let begun = 0
    const facts = await inLanes(order.lanes, async i => {
      while (begun++ < order.amount) {
        const begin = performance.now()
        const connection = await this.dialed(this.lanes[i])
        const stream = await connection.newStream(ECHO, { maxOutboundStreams: NO_LIMIT })
        await echoed(stream, sent)
        times.push((performance.now() - begin) * 1000)
        connection.close().catch(() => {})
      }
    })
    return { ...facts, times }
  }

  async ping (order) {
    const connection = await this.connected()
    const stream = await connection.newStream(PING)
    const sent = new Uint8Array(PING_SIZE)
    const times = []
    const facts = await inLanes(1, async () => {
      for (let i = 0; i < order.amount; i++) {
        const begin = performance.now()
        await echoed(stream, sent)
        times.push((performance.now() - begin) * 1000)
      }
    })
    await stream.close()
    return { ...facts, times }
  }
}

/** Run a function in as many lanes as are wanted, and take the time of all. */
async function inLanes (lanes, run) {
  const begin = performance.now()
  await Promise.all(Array.from({ length: lanes }, (_, i) => run(i)))
  return { seconds: (performance.now() - begin) / 1000 }
}

const WORKS = ['upload', 'download', 'streams', 'handshakes', 'ping']

/** Do the orders of the standard input, and answer each by a line. */
export async function benchDial (choices) {
  const bencher = new Bencher(choices)
  for await (const line of createInterface({ input: process.stdin })) {
    const order = { lanes: 1, block: BLOCK_SIZE, ...JSON.parse(line) }
    try {
      if (!WORKS.includes(order.do)) {
        throw new Error(`unknown work ${order.do}`)
      }
      printLine(await bencher[order.do](order))
    } catch (err) {
      printLine({ error: reason(err) })
    }
  }
  process.exit(0)
}
