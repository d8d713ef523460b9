// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { NO_LIMIT, TASK_LIMIT, within } from './limits.mjs'
import { log, reason } from './output.mjs'
import { exchange, sendZeros } from './pattern.mjs'
import { Wire, openStream } from './wire.mjs'

export const ECHO = '/echo/1.0.0'
export const PERF = '/perf/1.0.0'
export const RESET = '/test/reset/1.0.0'
export const SINK = '/test/sink/1.0.0'
export const BACK = '/test/back/1.0.0'

const BACK_BYTES = 1000

// What this peer serves besides the protocols of the package.
const SERVED = {
  [ECHO]: async (wire, halfClosed) => {
    for (let chunk; (chunk = await wire.read()) != null;) {
      await wire.write(chunk)
    }
    halfClosed()
    await wire.closeWrite()
  },

  [PERF]: async (wire, halfClosed) => {
    let start = Buffer.alloc(0)
    while (start.byteLength < 8) {
      const chunk = await wire.read()
      if (chunk == null) {
        throw new Error('the header is incomplete')
      }
      start = Buffer.concat([start, chunk])
    }
    await wire.drain()
    halfClosed()
    await sendZeros(wire, start.readBigUInt64BE())
    await wire.closeWrite()
  },

  [RESET]: async (wire) => {
    if (await wire.read() == null) {
      throw new Error('not one byte came')
    }
    wire.reset()
  },

  [SINK]: async (wire, halfClosed) => {
    await wire.drain()
    halfClosed()
    await wire.write(Buffer.from(String(wire.received)))
    await wire.closeWrite()
  },

  [BACK]: async (wire, halfClosed, connection) => {
    let answer = 'ok'
    try {
      await within(TASK_LIMIT, async () => {
        const back = await openStream(connection, ECHO)
        try {
          await exchange(back, 0, BACK_BYTES)
        } catch (err) {
          back.reset(err)
          throw err
        }
      })
    } catch (err) {
      log('calling back:', reason(err))
      answer = 'bad'
    }
    await wire.write(Buffer.from(answer))
    await wire.closeWrite()
    await within(TASK_LIMIT, () => wire.drain())
    halfClosed()
  }
}

/** Register what is served. Each stream and its end is told to report. */
export async function serve (node, report) {
  for (const [protocol, handler] of Object.entries(SERVED)) {
    await node.handle(protocol, async (stream, connection) => {
      report({ event: 'stream', protocol })
      const wire = new Wire(stream, connection.multiplexer)
      try {
        await handler(wire, () => {
          report({ event: 'halfclosed', protocol, bytes: wire.received })
        }, connection)
      } catch (err) {
        if (stream.status === 'reset') {
          report({ event: 'reset', protocol })
        } else {
          log(`${protocol}: ${reason(err)}`)
        }
        wire.reset(err)
      }
    }, { maxInboundStreams: NO_LIMIT, maxOutboundStreams: NO_LIMIT, runOnLimitedConnection: true })
  }
}
