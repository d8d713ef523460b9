# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A libp2p peer that says whatever it is told to, well-formed or not.

Everything here is made by hand on blocking sockets, and nothing of it is shared
with the stack under test but the C{cryptography} and C{pyOpenSSL} libraries: what
both sides get wrong in the same way would not be noticed.  Each protocol is a file.
Each layer is a L{Pipe<tests.attacks.raw.pipe.Pipe>} over another::

    pipe.TCP -> multistream.choose -> noise.Noise or tls.TLS -> yamux.Session
                                                             -> mplex.Session
"""
