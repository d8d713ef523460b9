# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A hostile peer plays against a node in a process of its own, while an honest one
goes on pinging through it.

  - L{raw<tests.attacks.raw>}: the attacker, made by hand on sockets;
  - C{node}, C{honest}: the programs that are attacked, and that bear witness;
  - C{arena}: these processes, what they use, and what is expected of them;
  - C{rows}: the attacks, one function a row of the table;
  - C{play}: one row, in a process of its own;
  - C{__main__}: all rows, and the table that docs/security.rst shows.

C{make attacks} runs it.  The attacker is another process, and blocks as it likes:
the rows are plain functions, and no reactor runs in them.
"""
