// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { createInterface } from 'node:readline'
import { http } from '@libp2p/http'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { printLine, reason } from './output.mjs'

/** How long a request of the test may take, in milliseconds. */
const WEB_LIMIT = 30_000

/** The application protocol that is served, and its path. */
const GREETING = '/greeting/1.0.0'
const PATH = '/hello'

const REQUESTS = {
  get: async (node, address, method) => {
    const options = { method, signal: AbortSignal.timeout(WEB_LIMIT) }
    const response = await node.services.http.fetchProtocol(multiaddr(address), GREETING, options)
    if (!response.ok) {
      throw new Error(`status ${response.status}`)
    }
    return await response.text()
  }
}

/**
 * Serve a greeting over streams. Each line of standard input is a request, which is
 * answered by a line; see ../README.rst.
 */
export async function web () {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify(), http: http() }
  })
  node.services.http.handle(GREETING, {
    path: PATH,
    method: ['GET'],
    handler: async request => new Response(`${request.method} ${new URL(request.url).pathname}`)
  })
  printLine({
    peerId: node.peerId.toString(),
    addrs: node.getMultiaddrs().map(String),
    pid: process.pid
  })
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...words] = line.split(' ')
    try {
      printLine({ ok: true, result: await REQUESTS[name](node, ...words) })
    } catch (err) {
      printLine({ ok: false, error: reason(err) })
    }
  }
  await node.stop()
  process.exit(0)
}
