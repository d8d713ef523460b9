# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The backend over aioquic, which is pure Python but for its ciphers.

aioquic has one object for each connection; the table of connection ids, version
negotiation, Retry, tokens and stateless resets are ours.  It has no API for two things
that libp2p needs, and they are done by overriding methods that are not public: judging
the certificate of a dialer (L{tls<twisted_libp2p.quic.aioquic.tls>}), and credit for
read bytes alone (L{credit<twisted_libp2p.quic.aioquic.credit>}).  For this reason the
extra C{quic} asks for releases 1.7.x, and a self-test runs before use.
"""
