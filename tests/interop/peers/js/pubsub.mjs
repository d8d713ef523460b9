// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { createInterface } from 'node:readline'
import { gossipsub } from '@libp2p/gossipsub'
import { identify, identifyPush } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { printLine, reason } from './output.mjs'

/** The size of the id of a message in bytes. */
const ID_SIZE = 32

const POLICIES = { signed: 'StrictSign', unsigned: 'StrictNoSign' }

/** The messages that are counted instead of being reported. */
let taking = null

const REQUESTS = {
  connect: async (node, address) => { await node.dial(multiaddr(address)) },
  subscribe: async (node, topic) => { node.services.pubsub.subscribe(topic) },
  unsubscribe: async (node, topic) => { node.services.pubsub.unsubscribe(topic) },
  mesh: async (node, topic) => node.services.pubsub.getMeshPeers(topic),
  take: async (node, topic, count) => {
    taking = { topic, count: Number(count), left: Number(count) }
    node.services.pubsub.subscribe(topic)
  },
  flood: async (node, topic, count, size) => {
    const flood = process.hrtime.bigint().toString().padStart(20, '0')
    for (let i = 0; i < Number(count); i++) {
      const data = Buffer.alloc(Number(size))
      data.write(flood + i.toString().padStart(12, '0'))
      await node.services.pubsub.publish(topic, data)
    }
  },
  publish: async (node, topic, size, text) => {
    await node.services.pubsub.publish(topic, Buffer.from(text.padEnd(Number(size))))
  }
}

/** Report the messages of others, and the peers that join and leave topics. */
function report (pubsub) {
  pubsub.addEventListener('message', evt => {
    const { topic, data, from } = evt.detail
    if (taking !== null && taking.topic === topic) {
      if (--taking.left === 0) {
        printLine({ event: 'taken', count: taking.count })
      }
      return
    }
    printLine({
      event: 'message',
      topic,
      size: data.length,
      text: Buffer.from(data).toString().trimEnd(),
      source: from?.toString() ?? null
    })
  })
  pubsub.addEventListener('subscription-change', evt => {
    for (const { topic, subscribe } of evt.detail.subscriptions) {
      printLine({ event: subscribe ? 'subscribed' : 'unsubscribed', peer: evt.detail.peerId.toString(), topic })
    }
  })
}

/**
 * Be a peer of topics, whose messages are signed or not. Each line of standard input is a
 * request, which is answered by a line; see ../README.rst.
 */
export async function pubsub (policy) {
  if (!Object.hasOwn(POLICIES, policy)) {
    throw new Error('pubsub needs a policy: signed or unsigned')
  }
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
      // The id of a message is the same in all peers of these tests.
      pubsub: gossipsub({
        globalSignaturePolicy: POLICIES[policy],
        msgIdFn: message => message.data.subarray(0, ID_SIZE)
      })
    }
  })
  report(node.services.pubsub)
  printLine({ peerId: node.peerId.toString(), addrs: node.getMultiaddrs().map(String), pid: process.pid })
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...words] = line.trim().split(' ')
    try {
      printLine({ ok: true, result: await REQUESTS[name](node, ...words) ?? null })
    } catch (err) {
      printLine({ ok: false, error: reason(err) })
    }
  }
  process.exit(0)
}
