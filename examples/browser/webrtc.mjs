// Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

// js-libp2p 6.0.33 speaks version 1 of WebRTC-direct: it replaces the user name and the password of
// ICE in the browser's offer. Chromium can forbid that. Version 2 leaves the browser's own ones in
// place, and puts the password into the user name of the node, which every node of version 2 reads.
const VERSION_1 = 'libp2p+webrtc+v1/'
const VERSION_2 = 'libp2p+webrtc+v2/'

/** Use version 2 for each connection whose browser forbids version 1. */
export function allowVersion2 () {
  const prototype = globalThis.RTCPeerConnection?.prototype
  if (prototype == null) return
  const { setLocalDescription, setRemoteDescription } = prototype
  const names = new WeakMap()

  prototype.setLocalDescription = async function (description) {
    try {
      await setLocalDescription.call(this, description)
    } catch (err) {
      if (!description?.sdp?.includes(VERSION_1)) throw err
      await setLocalDescription.call(this)
      const [, password] = /^a=ice-pwd:(\S+)/m.exec(this.localDescription.sdp)
      names.set(this, VERSION_2 + password)
    }
  }

  prototype.setRemoteDescription = function (description) {
    const name = names.get(this)
    if (name == null) return setRemoteDescription.call(this, description)
    const sdp = description.sdp.replace(/^(a=ice-(?:ufrag|pwd):).*$/gm, `$1${name}`)
    return setRemoteDescription.call(this, { type: description.type, sdp })
  }
}
