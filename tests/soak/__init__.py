# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A long run: many peers of all kinds come to one node, and vanish::

    python -m tests.soak --seconds 600 --peers 50

The node has limits that the peers exceed.  Most peers are nodes of ours, a dozen to
a process (L{tests.soak.crowd}); processes are killed, and others take their place.
The others are those of L{tests.interop.peers} that are built: they listen, and they
dial.  Every byte that comes back is compared.
"""
