// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

export const CONNECT_LIMIT = 20_000
export const TASK_LIMIT = 60_000
export const TOTAL_LIMIT = 120_000
export const CLOSE_LIMIT = 3_000
// For the limits of the package that a test does not want to meet.
export const NO_LIMIT = 1e9

/** Run a function, but not for longer than so many milliseconds. */
export async function within (limit, run) {
  let timer
  try {
    return await Promise.race([
      run(),
      new Promise((resolve, reject) => {
        timer = setTimeout(() => { reject(new Error(`not done within ${limit / 1000}s`)) }, limit)
      })
    ])
  } finally {
    clearTimeout(timer)
  }
}
