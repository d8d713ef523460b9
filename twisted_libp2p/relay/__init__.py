# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Circuit relay v2: connections by way of a third peer.

L{CircuitTransport<twisted_libp2p.relay.transport.CircuitTransport>} dials through
relays and listens on them.  L{RelayService<twisted_libp2p.relay.service.RelayService>}
is a relay for others.  L{AutoRelay<twisted_libp2p.relay.autorelay.AutoRelay>} finds
relays for a node that cannot be reached otherwise.

See libp2p/specs, relay/circuit-v2.md.
"""
