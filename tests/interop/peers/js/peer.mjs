// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// A small libp2p peer on js-libp2p for the interoperability tests. Its command
// line, its protocols and its output are described in ../README.rst; every
// peer of that directory follows the same contract.
import './polyfill.mjs'
import { parseArgs } from 'node:util'
import { multiaddr } from '@multiformats/multiaddr'
import { benchDial, benchListen } from './bench.mjs'
import { kad } from './kad.mjs'
import { CONNECT_LIMIT, TASK_LIMIT, TOTAL_LIMIT, within } from './limits.mjs'
import { describe, makeNode, stopNode } from './node.mjs'
import { log, printLine, reason } from './output.mjs'
import { pubsub } from './pubsub.mjs'
import { serve } from './serve.mjs'
import { TASKS } from './tasks.mjs'
import { web } from './web.mjs'

/** End the program because its command line makes no sense. */
function usage (complaint) {
  log(complaint)
  console.error('usage: peer listen [options] | peer dial MULTIADDR [options]')
  process.exit(2)
}

/** Read the role, the address to dial and the options. */
function parseCommandLine (argv) {
  const options = {
    transport: { type: 'string', default: 'tcp' },
    'tls-certificate': { type: 'string' },
    'tls-roots': { type: 'string' },
    security: { type: 'string', default: 'noise' },
    muxer: { type: 'string', default: 'yamux' },
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '0' },
    key: { type: 'string', default: 'ed25519' },
    'late-muxer': { type: 'boolean', default: false },
    psk: { type: 'string' },
    defaults: { type: 'boolean', default: false },
    'relay-service': { type: 'boolean', default: false },
    seed: { type: 'string' },
    circuit: { type: 'string' },
    autonat: { type: 'string' },
    mdns: { type: 'boolean', default: false }
  }
  const [role] = argv
  if (role === 'dial') {
    options.do = { type: 'string', default: 'ping,identify,echo' }
    options.size = { type: 'string', default: String(1 << 20) }
    options.for = { type: 'string', default: '0' }
  } else if (role !== 'listen') {
    usage(`unknown role ${role}`)
  }
  let parsed
  try {
    parsed = parseArgs({ args: argv.slice(1), options, allowPositionals: role === 'dial' })
  } catch (err) {
    usage(err.message)
  }
  const { values, positionals } = parsed
  const choices = {
    ...values,
    role,
    target: positionals[0],
    port: Number(values.port),
    late: values['late-muxer'],
    relay: values['relay-service']
  }
  if (!Number.isInteger(choices.port) || choices.port < 0) {
    usage(`bad port ${values.port}`)
  }
  if (role === 'dial') {
    if (positionals.length !== 1) {
      usage('dial needs one multiaddr')
    }
    choices.seconds = Number(values.for)
    choices.do = values.do.split(',').filter(label => label !== '').map(label => {
      const [name, number = values.size] = label.split('=')
      return { label, name, number: Number(number) }
    })
    for (const number of [Number(values.size), choices.seconds, ...choices.do.map(step => step.number)]) {
      if (!Number.isInteger(number) || number < 0) {
        usage(`bad number in ${argv.join(' ')}`)
      }
    }
    for (const { name } of choices.do) {
      if (!Object.hasOwn(TASKS, name)) {
        usage(`unknown task ${name}`)
      }
    }
  }
  return choices
}

/** Wait until a relay has given a place. */
function reserved (node) {
  const done = () => node.getMultiaddrs().some(addr => addr.toString().includes('/p2p-circuit'))
  return new Promise(resolve => {
    node.addEventListener('self:peer:update', () => { done() && resolve() })
    done() && resolve()
  })
}

/** Print where this peer listens, then serve until its parent is done. */
async function listen (choices) {
  const node = await makeNode(choices)
  node.addEventListener('connection:open', evt => {
    const connection = evt.detail
    printLine({ event: 'connected', peer: connection.remotePeer.toString(), ...describe(connection) })
  })
  node.addEventListener('connection:close', evt => {
    printLine({ event: 'disconnected', peer: evt.detail.remotePeer.toString() })
  })
  if (choices.autonat != null) {
    node.addEventListener('self:peer:update', () => {
      const verified = node.services.addresses.getAddressesWithMetadata().filter(each => each.verified)
      printLine({ event: 'addresses', reachable: verified.map(each => each.multiaddr.toString()) })
    })
  }
  node.addEventListener('peer:discovery', evt => {
    const { id, multiaddrs } = evt.detail
    printLine({ event: 'found', peer: id.toString(), addrs: multiaddrs.map(addr => addr.toString()) })
  })
  await serve(node, printLine)
  await node.start()
  if (choices.circuit != null) {
    await reserved(node)
  }
  const done = new Promise(resolve => {
    process.on('SIGTERM', resolve)
    process.on('SIGINT', resolve)
    process.stdin.on('end', resolve)
    process.stdin.on('close', resolve)
    process.stdin.on('error', resolve)
    process.stdin.resume()
  })
  printLine({
    peerId: node.peerId.toString(),
    addrs: node.getMultiaddrs().map(addr => addr.toString()),
    pid: process.pid
  })
  await done
  await stopNode(node)
  process.exit(0)
}

/** Make the one connection that all tasks of a dialer use. */
async function connect (choices) {
  const target = multiaddr(choices.target)
  if (target.getComponents().at(-1)?.name !== 'p2p') {
    throw new Error('the multiaddr does not end in /p2p/ and a peer id')
  }
  const node = await makeNode(choices)
  await serve(node, () => {})
  await node.start()
  const identified = new Promise(resolve => {
    node.addEventListener('peer:identify', evt => { resolve(evt.detail) }, { once: true })
  })
  const connection = await node.dial(target, { signal: AbortSignal.timeout(CONNECT_LIMIT) })
  return { node, connection, identified, size: 0 }
}

/** How long a task may take: idling takes as long as it was told to. */
function limitOf (step) {
  return TASK_LIMIT + (step.name === 'idle' ? step.number * 1000 : 0)
}

/** Connect, do the tasks and print what they told. */
async function dial (choices) {
  const line = {
    ok: false,
    remotePeer: null,
    security: null,
    muxer: null,
    early: null,
    late: choices.late,
    results: {},
    rounds: 0,
    error: null
  }
  const limit = choices.do.reduce(
    (sum, step) => sum + limitOf(step) - TASK_LIMIT, TOTAL_LIMIT + choices.seconds * 1000)
  const fail = text => { line.error ??= text }
  const exit = () => {
    line.ok = line.error == null
    printLine(line)
    process.exit(line.ok ? 0 : 1)
  }
  setTimeout(() => {
    fail(`not done within ${limit / 1000}s`)
    exit()
  }, limit)
  let dialer
  try {
    dialer = await connect(choices)
  } catch (err) {
    fail(reason(err))
    exit()
  }
  line.remotePeer = dialer.connection.remotePeer.toString()
  Object.assign(line, describe(dialer.connection))
  const end = performance.now() + choices.seconds * 1000
  do {
    for (const step of choices.do) {
      const facts = line.results[step.label] = {}
      dialer.size = step.number
      try {
        await within(limitOf(step), () => TASKS[step.name](dialer, facts))
      } catch (err) {
        facts.error = reason(err)
        fail(`${step.label}: ${facts.error}`)
      }
    }
    line.rounds++
  } while (line.error == null && performance.now() < end)
  await stopNode(dialer.node)
  exit()
}

process.on('unhandledRejection', err => { log('unhandled:', err) })
const argv = process.argv.slice(2)
const servers = { kad, pubsub, web }
if (Object.hasOwn(servers, argv[0])) {
  await servers[argv[0]](argv[1]).catch(err => {
    log(reason(err))
    process.exit(1)
  })
}
const bench = argv[0] === 'bench'
const choices = parseCommandLine(bench ? argv.slice(1) : argv)
const roles = bench ? { listen: benchListen, dial: benchDial } : { listen, dial }
try {
  await roles[choices.role](choices)
} catch (err) {
  log(reason(err))
  process.exit(1)
}
