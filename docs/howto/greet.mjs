// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// Ask a peer for its greeting: node greet.mjs ADDRESS
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})
const stream = await node.dialProtocol(multiaddr(process.argv[2]), '/greeting/1.0.0')
for await (const chunk of stream) {
  process.stdout.write(chunk.subarray())
}
await node.stop()
