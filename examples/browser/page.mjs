// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A page that is a libp2p peer: it dials a node over WebTransport, WebRTC or WebSocket, pings it,
// and fetches a page from its web server. The address may also come after the # of the page's own.
import { multiaddr } from '@multiformats/multiaddr'
import { fetchOver } from './http.mjs'
import { makeNode } from './peer.mjs'

const CONNECT_LIMIT = 20_000
const FETCH_LIMIT = 20_000
const PINGS = 3

const $ = id => document.getElementById(id)

function say (element, kind, text) {
  element.className = `state ${kind}`
  element.textContent = text
}

const node = await makeNode()
let connection

node.addEventListener('peer:identify', evt => {
  if (evt.detail.peerId.equals(connection?.remotePeer)) {
    $('agent').textContent = evt.detail.agentVersion ?? 'unknown'
  }
})

/** Name what carries a connection to an address. */
function carrier (address) {
  const names = address.getComponents().map(part => part.name)
  if (names.includes('webtransport')) return 'WebTransport'
  if (names.includes('webrtc-direct')) return 'WebRTC'
  return names.includes('tls') || names.includes('wss') ? 'a secure WebSocket' : 'WebSocket'
}

/** Run what a button asks for; it cannot be pressed again meanwhile. */
async function pressed (button, state, run) {
  button.disabled = true
  try {
    await run()
  } catch (err) {
    say(state, 'bad', err.errors?.[0]?.message ?? err.message)
  } finally {
    button.disabled = false
  }
}

async function connect () {
  say($('state'), '', 'Connecting …')
  $('facts').hidden = $('fetch').hidden = true
  await connection?.close()
  $('agent').textContent = '…'
  $('times').textContent = '–'
  const address = multiaddr($('address').value.trim())
  connection = await node.dial(address, { signal: AbortSignal.timeout(CONNECT_LIMIT) })
  connection.addEventListener('close', () => {
    say($('state'), 'bad', 'The connection has ended.')
    $('facts').hidden = $('fetch').hidden = true
  })
  $('peer').textContent = connection.remotePeer.toString()
  $('self').textContent = node.peerId.toString()
  $('security').textContent = connection.encryption
  $('muxer').textContent = connection.multiplexer ?? 'that of the transport'
  say($('state'), 'good', `Connected by ${carrier(address)}.`)
  $('facts').hidden = $('fetch').hidden = false
}

async function pingOften () {
  const times = []
  for (let i = 0; i < PINGS; i++) {
    times.push(`${await node.services.ping.ping(connection.remotePeer)} ms`)
    $('times').textContent = times.join(', ')
  }
}

async function fetchPage () {
  say($('answer'), '', 'Fetching …')
  $('page').hidden = true
  const response = await fetchOver(connection, $('path').value, AbortSignal.timeout(FETCH_LIMIT))
  const kind = response.headers.get('content-type') ?? 'unknown'
  say($('answer'), response.status < 400 ? 'good' : 'bad',
    `${response.status} ${response.reason}, ${kind}, ${response.body.byteLength} bytes`)
  const text = new TextDecoder().decode(response.body)
  if (kind.startsWith('text/html')) {
    $('page').srcdoc = text
  } else {
    const plain = document.createElement('pre')
    plain.textContent = text
    $('page').srcdoc = plain.outerHTML
  }
  $('page').hidden = false
}

$('dial').addEventListener('submit', evt => {
  evt.preventDefault()
  pressed(evt.submitter ?? $('dial').querySelector('button'), $('state'), connect)
})
$('ping').addEventListener('click', () => { pressed($('ping'), $('state'), pingOften) })
$('fetch').addEventListener('submit', evt => {
  evt.preventDefault()
  pressed(evt.submitter ?? $('fetch').querySelector('button'), $('answer'), fetchPage)
})

if (location.hash.length > 1) {
  $('address').value = decodeURIComponent(location.hash.slice(1))
  $('dial').requestSubmit()
}
document.documentElement.dataset.ready = 'true'
