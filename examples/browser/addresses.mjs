// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// The addresses that a page can dial, and what to do about one that it cannot.
import { multiaddr } from '@multiformats/multiaddr'

const EXAMPLE = '/ip4/192.0.2.1/udp/4001/quic-v1/webtransport/certhash/…/p2p/12D3Koo…'

/** The ways to reach a node, best first. A way may say why this page has it not. */
const CARRIERS = [
  {
    name: 'WebTransport',
    carries: names => names.includes('webtransport'),
    certified: true,
    lacking: () => typeof WebTransport === 'undefined' &&
      'This page has no WebTransport: only pages from https or localhost have it. Dial an address with /webrtc-direct or /ws.'
  },
  {
    name: 'WebRTC',
    carries: names => names.includes('webrtc-direct'),
    certified: true,
    lacking: () => typeof RTCPeerConnection === 'undefined' &&
      'This browser has no WebRTC. Dial an address with /webtransport or /ws.'
  },
  {
    name: 'a secure WebSocket',
    carries: names => names.includes('wss') || (names.includes('tls') && names.includes('ws')),
    lacking: () => false
  },
  {
    name: 'WebSocket',
    carries: names => names.includes('ws'),
    lacking: () => location.protocol === 'https:' &&
      'A page from https may not dial /ws. Dial an address with /webtransport, /webrtc-direct or /tls/ws.'
  }
]

const namesOf = address => address.getComponents().map(part => part.name)
const valueOf = (address, name) => address.getComponents().find(part => part.name === name)?.value
const carrierOf = address => CARRIERS.find(each => each.carries(namesOf(address)))

/**
 * Read an address that the page shall dial.
 *
 * @return the address, and the name of what carries the connection.
 * @throws an error with one line for the user.
 */
export function readAddress (text) {
  let address
  try {
    address = multiaddr(text)
  } catch {
    throw new Error(`This is not the address of a node. One looks like ${EXAMPLE}`)
  }
  const carrier = carrierOf(address)
  if (carrier == null) {
    throw new Error('Browsers cannot dial this address: let the node listen on /webtransport, /webrtc-direct or /ws.')
  }
  if (carrier.certified && valueOf(address, 'certhash') == null) {
    throw new Error('The address lacks /certhash/…, which names the certificate: copy the whole address that the node prints.')
  }
  const lacking = carrier.lacking()
  if (lacking) throw new Error(lacking)
  return { address, carrier: carrier.name }
}

/** Ask the node that has served this page for its present addresses; none if another server has. */
export async function ownAddresses () {
  try {
    const answer = await fetch('addresses.json', { cache: 'no-store' })
    return answer.ok ? (await answer.json()).map(each => multiaddr(each)) : []
  } catch {
    return []
  }
}

/** Choose one address for each way that this page has, at the host of the page if there is one. */
export function choose (addresses) {
  const here = location.hostname === 'localhost' ? '127.0.0.1' : location.hostname.replace(/^\[|\]$/g, '')
  const hostOf = each => valueOf(each, 'ip4') ?? valueOf(each, 'ip6')
  return CARRIERS.filter(each => !each.lacking()).flatMap(carrier => {
    const found = addresses.filter(each => carrierOf(each) === carrier)
    const best = found.find(each => hostOf(each) === here) ?? found[0]
    return best == null ? [] : [{ carrier: carrier.name, address: best.toString() }]
  })
}

/** Find the present address of the same node for the same way, if that is another one. */
export async function newer (address) {
  const found = choose(await ownAddresses()).find(each => each.carrier === carrierOf(address).name)
  const same = found != null && valueOf(multiaddr(found.address), 'p2p') === valueOf(address, 'p2p')
  return same && found.address !== address.toString() ? found.address : undefined
}

/** Say in one line why a dial has failed, and what would be right. */
export function explain (err, address) {
  const causes = [err, ...(err.errors ?? [])]
  const carrier = carrierOf(address)
  const peer = valueOf(address, 'p2p')
  if (causes.some(each => each.name === 'UnexpectedPeerError' || /match expected|identity key/i.test(each.message))) {
    return `Another peer than ${peer} answers there: copy the address that your node prints.`
  }
  if (carrier.name === 'WebRTC' && navigator.userAgent.includes('Firefox') && /^127\./.test(valueOf(address, 'ip4'))) {
    return 'Firefox does not reach 127.0.0.1 over WebRTC: dial the node at its address in the network, or by /webtransport or /ws.'
  }
  if (carrier.certified) {
    return 'No node answers there with this certificate. Start the node, or copy the address that it prints now: it changes every two weeks.'
  }
  if (carrier.name === 'a secure WebSocket') {
    return 'No node answers there with a certificate that this browser trusts for this name. Start the node, or check its certificate.'
  }
  return 'No node answers there. Start the node, and compare the address with the one that it prints.'
}
