// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { TASK_LIMIT } from './limits.mjs'
import { reason } from './output.mjs'
import { exchange, fillPattern, sendPattern, sendZeros } from './pattern.mjs'
import { BACK, ECHO, PERF, RESET, SINK } from './serve.mjs'
import { StreamWasReset, openStream } from './wire.mjs'

const MANY_STREAMS = 100
const MANY_BYTES = 1000
const PING_COUNT = 3

function header (size) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(size))
  return bytes
}

/** Open a stream for a task that is done with it when it returns. */
async function withStream (dialer, protocol, use) {
  const wire = await openStream(dialer.connection, protocol)
  try {
    return await use(wire)
  } catch (err) {
    wire.reset(err)
    throw err
  }
}

// Each task fills in its facts as it goes, so that a failed one tells how far
// it came.
export const TASKS = {
  ping: async (dialer, facts) => {
    facts.ms = []
    for (let i = 0; i < PING_COUNT; i++) {
      if (dialer.connection.status !== 'open') {
        throw new Error('connection lost')
      }
      facts.ms.push(await dialer.node.services.ping.ping(dialer.connection.remotePeer, {
        signal: AbortSignal.timeout(TASK_LIMIT)
      }))
    }
  },

  identify: async (dialer, facts) => {
    const told = await dialer.identified
    Object.assign(facts, {
      agentVersion: told.agentVersion ?? null,
      protocolVersion: told.protocolVersion ?? null,
      protocols: told.protocols,
      listenAddrs: told.listenAddrs.map(addr => addr.toString()),
      observedAddr: told.observedAddr?.toString() ?? null
    })
  },

  echo: async (dialer, facts) => withStream(dialer, ECHO, async wire => {
    facts.equal = false
    try {
      await exchange(wire, 0, dialer.size)
      facts.equal = true
    } finally {
      facts.bytes = wire.received
    }
  }),

  halfclose: async (dialer, facts) => withStream(dialer, SINK, async wire => {
    facts.bytes = dialer.size
    await sendPattern(wire, 0, dialer.size)
    facts.answer = (await wire.readAll()).toString()
    if (facts.answer !== String(dialer.size)) {
      throw new Error('the remote counted otherwise')
    }
  }),

  reset: async (dialer, facts) => withStream(dialer, ECHO, async wire => {
    const sent = fillPattern(new Uint8Array(10), 0, 0)
    await wire.write(sent)
    let got = Buffer.alloc(0)
    while (got.byteLength < sent.byteLength) {
      const chunk = await wire.read()
      if (chunk == null) {
        throw new Error('the stream ended too early')
      }
      got = Buffer.concat([got, chunk])
      facts.bytes = got.byteLength
    }
    if (Buffer.compare(got, sent) !== 0) {
      throw new Error('what came back differs from what was sent')
    }
    wire.reset()
  }),

  'remote-reset': async (dialer, facts) => withStream(dialer, RESET, async wire => {
    facts.reset = false
    facts.code = null
    await wire.write(new Uint8Array([1]))
    try {
      await wire.drain()
    } catch (err) {
      if (err instanceof StreamWasReset) {
        facts.reset = true
        return
      }
      throw err
    } finally {
      facts.bytes = wire.received
    }
    throw new Error('the stream ended cleanly instead of by a reset')
  }),

  back: async (dialer, facts) => withStream(dialer, BACK, async wire => {
    await wire.closeWrite()
    facts.answer = (await wire.readAll()).toString()
    if (facts.answer !== 'ok') {
      throw new Error('the remote could not call back')
    }
  }),

  // A hundred streams are open at the same time: none sends its second half
  // before every one has sent its first.
  many: async (dialer, facts) => {
    Object.assign(facts, { streams: MANY_STREAMS, equal: 0 })
    const all = Promise.withResolvers()
    let missing = MANY_STREAMS
    const arrive = () => {
      if (--missing === 0) {
        all.resolve()
      }
    }
    const one = async seed => {
      let arrived = false
      const half = async () => {
        arrived = true
        arrive()
        await all.promise
      }
      try {
        await withStream(dialer, ECHO, wire => exchange(wire, seed, MANY_BYTES, half))
        facts.equal++
      } catch (err) {
        throw new Error(`stream ${seed}: ${reason(err)}`)
      } finally {
        if (!arrived) {
          arrive()
        }
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: MANY_STREAMS }, (_, i) => one(i)))
    const failed = ends.find(end => end.status === 'rejected')
    if (failed != null) {
      throw failed.reason
    }
  },

  // As many seconds as it is told to.
  idle: async (dialer, facts) => {
    facts.seconds = dialer.size
    await new Promise(resolve => { setTimeout(resolve, dialer.size * 1000) })
  },

  perf: async (dialer, facts) => withStream(dialer, PERF, async wire => {
    facts.uploadBytes = dialer.size
    const begin = performance.now()
    await wire.write(header(dialer.size))
    await sendZeros(wire, BigInt(dialer.size))
    await wire.closeWrite()
    await wire.drain()
    facts.seconds = (performance.now() - begin) / 1000
    facts.downloadBytes = wire.received
    if (wire.received !== dialer.size) {
      throw new Error(`${wire.received} of ${dialer.size} bytes came`)
    }
  })
}
