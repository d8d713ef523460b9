// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { createInterface } from 'node:readline'
import { identify, identifyPush } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { printLine, reason } from './output.mjs'

/** How long a request of the test may take, in milliseconds. */
const KAD_LIMIT = 30_000

const bytes = text => Uint8Array.from(Buffer.from(text, 'hex'))

const content = text => CID.createV1(raw.code, Digest.decode(bytes(text)))

const REQUESTS = {
  connect: async (node, address) => { await node.dial(multiaddr(address)) },
  find: async (node, id, _, options) => {
    const found = await node.peerRouting.findPeer(peerIdFromString(id), options)
    return found.multiaddrs.map(String)
  },
  provide: async (node, key, _, options) => { await node.contentRouting.provide(content(key), options) },
  providers: async (node, key, _, options) => {
    for await (const found of node.contentRouting.findProviders(content(key), options)) {
      return [found.id.toString()]
    }
    return []
  },
  put: async (node, key, value, options) => { await node.contentRouting.put(bytes(key), bytes(value), options) },
  get: async (node, key, _, options) => Buffer.from(await node.contentRouting.get(bytes(key), options)).toString('hex')
}

/**
 * Be a server of a DHT with the given prefix. Each line of standard input is a request,
 * which is answered by a line; see ../README.rst.
 */
export async function kad (prefix) {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping(),
      dht: kadDHT({
        protocol: `${prefix}/kad/1.0.0`,
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        allowQueryWithZeroPeers: true,
        initialQuerySelfInterval: 100,
        validators: { v: async () => {} },
        selectors: { v: () => 0 }
      })
    }
  })
  node.services.dht.routingTable.addEventListener('peer:add', evt => {
    printLine({ event: 'entered', peer: evt.detail.toString() })
  })
  printLine({ peerId: node.peerId.toString(), addrs: node.getMultiaddrs().map(String), pid: process.pid })
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...words] = line.trim().split(' ')
    try {
      const result = await REQUESTS[name](node, words[0], words[1], { signal: AbortSignal.timeout(KAD_LIMIT) })
      printLine({ ok: true, result: result ?? null })
    } catch (err) {
      printLine({ ok: false, error: reason(err) })
    }
  }
  process.exit(0)
}
