// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { readFile } from 'node:fs/promises'
import nodeTLS from 'node:tls'
import { quic } from '@chainsafe/libp2p-quic'
import { autoNAT } from '@libp2p/autonat'
import { autoNATv2 } from '@libp2p/autonat-v2'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import { mdns } from '@libp2p/mdns'
import { mplex } from '@libp2p/mplex'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { plaintext } from '@libp2p/plaintext'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { CLOSE_LIMIT, NO_LIMIT, within } from './limits.mjs'
import { log, reason } from './output.mjs'

function choose (what, table, name) {
  if (!Object.hasOwn(table, name)) {
    throw new Error(`unknown ${what} "${name}"`)
  }
  return table[name]
}

const KEYS = {
  ed25519: () => generateKeyPair('Ed25519'),
  secp256k1: () => generateKeyPair('secp256k1'),
  ecdsa: () => generateKeyPair('ECDSA'),
  rsa: () => generateKeyPair('RSA', 2048)
}

const TRANSPORTS = { tcp, ws: webSockets, wss: webSockets, quic, 'webrtc-direct': webrtcDirect }

// Its native part is loaded only where it is used.
async function webrtcDirect () {
  const { webRTCDirect } = await import('@libp2p/webrtc')
  return webRTCDirect()
}

// The addresses that they listen on, without the host.
const PATHS = {
  tcp: port => `tcp/${port}`,
  ws: port => `tcp/${port}/ws`,
  wss: port => `tcp/${port}/tls/ws`,
  quic: port => `udp/${port}/quic-v1`,
  'webrtc-direct': port => `udp/${port}/webrtc-direct`
}

// Options that lift the limits of the package.
const UNLIMITED = {
  tcp: { inboundSocketInactivityTimeout: NO_LIMIT, outboundSocketInactivityTimeout: NO_LIMIT },
  // While more than 4 MiB wait to be sent, TLS pauses the WebSocket, which cannot
  // hold its sender back: it aborts the connection as soon as it has received more
  // than 4 MiB, and then leaves the socket open, since 1006 is no code to close with.
  ws: { maxBufferedAmount: NO_LIMIT },
  wss: { maxBufferedAmount: NO_LIMIT },
  quic: { maxConcurrentStreamLimit: 1024 },
  // A stream is aborted when more than 4 MiB are buffered, although yamux lets
  // its window grow to 16 MiB and mplex has none.
  yamux: {
    maxInboundStreams: NO_LIMIT,
    maxOutboundStreams: NO_LIMIT,
    streamOptions: { maxReadBufferLength: NO_LIMIT }
  },
  mplex: { disconnectThreshold: NO_LIMIT, streamOptions: { maxReadBufferLength: NO_LIMIT } },
  streams: { maxInboundStreams: NO_LIMIT, maxOutboundStreams: NO_LIMIT },
  node: {
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: NO_LIMIT,
      inboundConnectionThreshold: NO_LIMIT,
      maxIncomingPendingConnections: NO_LIMIT
    }
  }
}

const SECURITY = { noise: () => noise(), tls: () => tls(), plaintext: () => plaintext() }

const MUXERS = { yamux, mplex }

// The versions of AutoNAT, each in both parts.
const AUTONAT = { 1: autoNAT, 2: autoNATv2 }

// Whether the muxer of a connection came out of its handshake, by the
// timeline, which is the one object that a raw connection and the connection
// made from it have in common.
const early = new WeakMap()

/**
 * Make a connection encrypter that notes whether it agreed on a muxer, and
 * that can be told not to.
 *
 * Noise has an option for that, which TLS obeys as a client only: as a server
 * it answers whatever muxer the client offers. Therefore TLS is given an
 * upgrader that knows no muxer.
 */
function watched (factory, late) {
  return components => {
    const inner = factory(late
      ? {
          peerId: components.peerId,
          privateKey: components.privateKey,
          logger: components.logger,
          metrics: components.metrics,
          upgrader: { getStreamMuxers: () => new Map() }
        }
      : components)
    const secure = method => async (connection, options) => {
      const secured = await inner[method](connection, late ? { ...options, skipStreamMuxerNegotiation: true } : options)
      early.set(connection.timeline, secured.streamMuxer != null)
      return secured
    }
    return {
      protocol: inner.protocol,
      secureInbound: secure('secureInbound'),
      secureOutbound: secure('secureOutbound')
    }
  }
}

/** What was negotiated on a connection. */
export function describe (connection) {
  return {
    security: connection.encryption ?? null,
    muxer: connection.multiplexer ?? null,
    early: early.get(connection.timeline) ?? null
  }
}

/**
 * Give the options of the TLS below a WebSocket.
 *
 * The WebSocket of Node has no option for the authorities that it believes, so the
 * function is replaced by which it connects. The package has its own reference to it.
 */
async function tlsOptions (choices) {
  const ca = await readFile(choices['tls-roots'])
  const connect = nodeTLS.connect
  nodeTLS.connect = options => connect({ ...options, ca })
  const pem = await readFile(choices['tls-certificate'])
  return { https: { cert: pem, key: pem } }
}

/** The addresses of a listener: its own, and that of a relay. */
function listenAddresses (choices) {
  const own = `/ip4/${choices.host}/${PATHS[choices.transport](choices.port)}`
  return choices.circuit == null ? [own] : [own, `${choices.circuit}/p2p-circuit`]
}

/** The transport through relays, where it is needed. */
function relayTransports (choices) {
  const relayed = choices.circuit != null || choices.target?.includes('/p2p-circuit')
  return relayed ? [circuitRelayTransport()] : []
}

/**
 * Make a node that speaks exactly one stack, has no limits unless it is to
 * keep those of the package, and talks to nobody but the peers of the test.
 */
export async function makeNode (choices) {
  const transport = choose('transport', TRANSPORTS, choices.transport)
  const security = choose('security', SECURITY, choices.security)
  const muxer = choose('muxer', MUXERS, choices.muxer)
  const key = choose('key type', KEYS, choices.key)
  const limits = choices.defaults ? {} : UNLIMITED
  const secure = choices.transport === 'wss' ? await tlsOptions(choices) : {}
  return createLibp2p({
    start: false,
    privateKey: choices.seed == null ? await key() : await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(choices.seed)),
    addresses: { listen: choices.role === 'listen' ? listenAddresses(choices) : [] },
    transports: [await transport({ ...limits[choices.transport], ...secure }), ...relayTransports(choices)],
    connectionProtector: choices.psk == null ? undefined : preSharedKey({ psk: await readFile(choices.psk) }),
    connectionEncrypters: [watched(security(), choices.late)],
    streamMuxers: [muxer(limits[choices.muxer])],
    peerDiscovery: choices.mdns ? [mdns({ interval: 1000 })] : [],
    services: {
      ping: ping(limits.streams),
      identify: identify(limits.streams),
      identifyPush: identifyPush(limits.streams),
      ...(choices.relay ? { relay: circuitRelayServer() } : {}),
      ...(choices.autonat == null ? {} : { autonat: choose('version', AUTONAT, choices.autonat)() }),
      addresses: components => components.addressManager
    },
    connectionGater: { denyDialMultiaddr: () => false },
    ...limits.node
  })
}

export async function stopNode (node) {
  try {
    await within(CLOSE_LIMIT, () => node.stop())
  } catch (err) {
    log('stopping:', reason(err))
  }
}
