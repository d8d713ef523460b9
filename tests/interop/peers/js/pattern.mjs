// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

const BLOCK_SIZE = 64 * 1024

/** Fill a block with a text whose bytes tell their place and their stream. */
export function fillPattern (block, seed, offset) {
  for (let i = 0; i < block.byteLength; i++) {
    block[i] = (seed + offset + i) % 251
  }
  return block
}

/**
 * Send a pattern and half-close. A half, if given, is awaited between the
 * halves of what is sent.
 */
export async function sendPattern (wire, seed, size, half) {
  const middle = Math.floor(size / 2)
  for (let offset = 0; offset < size;) {
    if (half != null && offset === middle) {
      await half()
    }
    let length = Math.min(BLOCK_SIZE, size - offset)
    if (offset < middle) {
      length = Math.min(length, middle - offset)
    }
    await wire.write(fillPattern(new Uint8Array(length), seed, offset))
    offset += length
  }
  await wire.closeWrite()
}

/** Send so many bytes (a BigInt) that mean nothing. */
export async function sendZeros (wire, size) {
  for (let left = size; left > 0;) {
    const length = left < BLOCK_SIZE ? Number(left) : BLOCK_SIZE
    await wire.write(new Uint8Array(length))
    left -= BigInt(length)
  }
}

async function comparePattern (wire, seed, size) {
  for (let offset = 0, chunk; (chunk = await wire.read()) != null; offset += chunk.byteLength) {
    const want = fillPattern(new Uint8Array(chunk.byteLength), seed, offset)
    if (wire.received > size || Buffer.compare(want, chunk) !== 0) {
      throw new Error('what came back differs from what was sent')
    }
  }
  if (wire.received !== size) {
    throw new Error(`${wire.received} of ${size} bytes came back`)
  }
}

/**
 * Send a pattern while reading, half-close, and compare what comes back until
 * the remote half-closes too.
 */
export async function exchange (wire, seed, size, half) {
  await Promise.all([
    sendPattern(wire, seed, size, half),
    comparePattern(wire, seed, size)
  ])
}
