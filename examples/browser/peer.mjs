// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { webTransport } from '@libp2p/webtransport'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { allowVersion2 } from './webrtc.mjs'

allowVersion2()

/** Make the peer of a page, which listens nowhere. */
export function makeNode () {
  return createLibp2p({
    transports: [webTransport(), webRTCDirect(), webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping() },
    // In a browser the package would refuse addresses of the own network, and
    // WebSockets without TLS.
    connectionGater: { denyDialMultiaddr: () => false }
  })
}
