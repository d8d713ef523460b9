// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// js-libp2p uses Promise.withResolvers, which Node 20 does not have. This
// module has to be imported before the first module of libp2p.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
