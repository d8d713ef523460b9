# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our part in libp2p's public test suite, U{unified-testing
<https://github.com/libp2p/unified-testing>}.

What the suite starts in a container is one program, C{python -m tests.unified},
for each of its applications: L{transport} and L{perf}.  It is told what to do in
environment variables, finds the other side by a key in Redis, and prints what it
has measured to stdout.  docs/unified.rst has the contract.
"""
