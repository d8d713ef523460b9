// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

import { writeSync } from 'node:fs'

/** Print one JSON line, whole and at once. */
export function printLine (line) {
  const bytes = Buffer.from(JSON.stringify(line) + '\n')
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(1, bytes, written)
    } catch (err) {
      if (err.code !== 'EAGAIN') {
        process.exit(1)
      }
    }
  }
}

export function log (...parts) {
  console.error('peer:', ...parts)
}

/** What an error says, led by its name if that tells anything. */
export function reason (err) {
  return err.name == null || err.name === 'Error' ? err.message : `${err.name}: ${err.message}`
}
