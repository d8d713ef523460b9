// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A page that is a libp2p peer: it dials a node over WebTransport, WebRTC or WebSocket, pings it,
// fetches a page from its web server, and sends it a file. The address comes from the node, if that
// serves the page; or after the # of the page's own address; or from the user.
import { choose, explain, newer, ownAddresses, readAddress } from './addresses.mjs'
import { sendOver, PROTOCOL as FILES } from './files.mjs'
import { fetchOver, PROTOCOL as HTTP } from './http.mjs'
import { makeNode } from './peer.mjs'

const CONNECT_LIMIT = 20_000
const FETCH_LIMIT = 20_000
const PINGS = 3
const MIB = 1024 * 1024

const CARDS = ['facts', 'fetch', 'send']

const $ = id => document.getElementById(id)

function say (element, kind, text) {
  element.className = `state ${kind}`
  element.textContent = text
}

const node = await makeNode()
let connection
let identified

/** Show what the node has said of itself, and what it serves. */
function introduce () {
  if (connection == null || !identified?.peerId.equals(connection.remotePeer)) return
  $('agent').textContent = identified.agentVersion ?? 'unknown'
  for (const [card, protocol] of [['fetch', HTTP], ['send', FILES]]) {
    const served = identified.protocols.includes(protocol)
    $(card).querySelector('.use').hidden = !served
    $(card).querySelector('.hint').hidden = served
    $(card).hidden = false
  }
}

node.addEventListener('peer:identify', evt => {
  identified = evt.detail
  introduce()
})

/** Run what a button asks for; it cannot be pressed again meanwhile. */
async function pressed (button, state, run) {
  button.disabled = true
  try {
    await run()
  } catch (err) {
    say(state, 'bad', err.message)
  } finally {
    button.disabled = false
  }
}

function hideCards () {
  for (const each of CARDS) $(each).hidden = true
}

async function dial (address) {
  try {
    return await node.dial(address, { signal: AbortSignal.timeout(CONNECT_LIMIT), force: true })
  } catch (err) {
    const present = await newer(address)
    if (present == null) throw new Error(explain(err, address))
    $('address').value = present
    throw new Error('This address is an old one. The present address of the node is in the field now: connect again.')
  }
}

async function connect () {
  say($('state'), '', 'Connecting …')
  hideCards()
  const last = connection
  connection = identified = undefined
  await last?.close()
  $('agent').textContent = '…'
  $('times').textContent = '–'
  say($('answer'), '', '')
  say($('sent'), '', '')
  $('digest').textContent = ''
  $('progress').hidden = true
  $('page').hidden = true
  const { address, carrier } = readAddress($('address').value.trim())
  for (const each of $('ways').children) {
    each.ariaPressed = each.dataset.address === address.toString()
  }
  const opened = await dial(address)
  opened.addEventListener('close', () => {
    if (opened !== connection) return
    say($('state'), 'bad', 'The connection has ended: the node has closed it, or does not answer any longer. Connect again.')
    hideCards()
  })
  connection = opened
  $('peer').textContent = opened.remotePeer.toString()
  $('self').textContent = node.peerId.toString()
  const own = opened.encryption === 'native'
  $('security').textContent = own ? 'that of the transport' : opened.encryption
  $('muxer').textContent = opened.multiplexer ?? 'that of the transport'
  say($('state'), 'good', `Connected by ${carrier}.`)
  $('facts').hidden = false
  introduce()
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

/** Show how much of a file is read for its digest, or sent. */
function progressOf (size) {
  const bar = $('progress')
  bar.max = size || 1
  bar.hidden = false
  return (what, done) => {
    bar.value = done
    say($('sent'), '', `${(done / MIB).toFixed(1)} of ${(size / MIB).toFixed(1)} MiB ${what}`)
  }
}

async function sendFile () {
  const [file] = $('file').files
  $('digest').textContent = ''
  say($('sent'), '', 'Reading …')
  try {
    const begin = performance.now()
    const { name, digest } = await sendOver(connection, file, progressOf(file.size))
    const seconds = (performance.now() - begin) / 1000
    say($('sent'), 'good', `The node has stored ${name}: ${file.size} bytes in ${seconds.toFixed(1)} s, with this SHA-256.`)
    $('digest').textContent = digest
  } finally {
    $('progress').hidden = true
  }
}

const submitOf = form => form.querySelector('button:not([type])')

/** Run a function when a form is submitted. */
function onSubmit (form, state, run) {
  $(form).addEventListener('submit', evt => {
    evt.preventDefault()
    pressed(evt.submitter ?? submitOf($(form)), $(state), run)
  })
}

onSubmit('dial', 'state', connect)
onSubmit('fetch', 'answer', fetchPage)
onSubmit('send', 'sent', sendFile)
$('ping').addEventListener('click', () => { pressed($('ping'), $('state'), pingOften) })

/** Offer the ways to reach the node that has served this page. */
function offer (ways) {
  for (const { carrier, address } of ways) {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'way'
    button.textContent = carrier.replace('a secure', 'Secure')
    button.addEventListener('click', () => {
      if (submitOf($('dial')).disabled) return // a dial is running
      $('address').value = address
      $('dial').requestSubmit()
    })
    button.dataset.address = address
    $('ways').append(button)
  }
  $('ways').hidden = ways.length === 0
}

const given = location.hash.slice(1)
if (given !== '') {
  try {
    $('address').value = decodeURIComponent(given)
  } catch {
    // It is not escaped as addresses of pages are; the dial says what is wrong.
    $('address').value = given
  }
} else {
  const ways = choose(await ownAddresses())
  offer(ways)
  if (ways.length > 0) $('address').value = ways[0].address
}
if ($('address').value !== '') $('dial').requestSubmit()
document.documentElement.dataset.ready = 'true'
