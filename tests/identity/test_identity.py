# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.identity.identity}.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Any

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity, KeyType, PrivateKey, identity, secrets


class IdentityTests(SynchronousTestCase):
    """
    A key pair and its name.
    """

    def test_parts(self) -> None:
        """
        The parts belong together.
        """
        entry = vector("key.test_identity_01")
        me = Identity(PrivateKey.fromBytes(hexBytes(entry, "private")))
        self.assertEqual(str(me.peerID), entry["peer_id"])
        self.assertEqual(me.publicKey.toBytes(), hexBytes(entry, "public"))
        me.publicKey.verify(me.sign(b"data"), b"data")
        self.assertEqual(repr(me), f"<Identity {entry['peer_id']}>")

    def test_generate(self) -> None:
        """
        A new identity is Ed25519, unless another type is asked for.
        """
        self.assertEqual(Identity.generate().privateKey.type, KeyType.ED25519)
        other = Identity.generate(KeyType.SECP256K1)
        self.assertEqual(other.privateKey.type, KeyType.SECP256K1)


class FileTests(SynchronousTestCase):
    """
    An identity is kept in a file.
    """

    def setUp(self) -> None:
        """
        Make a folder, and let new files be open to everybody.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "node.key"
        self.addCleanup(os.umask, os.umask(0))

    def assertConfigurationError(self, reason: str) -> None:
        """
        Assert that the file is refused, in one line that names file and reason.
        """
        error = str(self.assertRaises(ConfigurationError, Identity.fromFile, self.path))
        self.assertIn(str(self.path), error)
        self.assertIn(reason, error)
        self.assertNotIn("\n", error)

    def test_firstStart(self) -> None:
        """
        The first start makes the file, the next ones read it.
        """
        me = Identity.fromFile(self.path)
        self.assertEqual(me.privateKey.type, KeyType.ED25519)
        self.assertEqual(self.path.read_bytes(), me.privateKey.toPEM())
        self.assertEqual(Identity.fromFile(str(self.path)).peerID, me.peerID)
        self.assertEqual(os.listdir(self.folder), ["node.key"])

    def test_mode(self) -> None:
        """
        Nobody else can read the key, not even while it is being written.
        """
        modes = []
        fsync = os.fsync

        def spy(descriptor: int) -> None:
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                modes.append((stat.S_IMODE(status.st_mode), os.path.exists(self.path)))
            fsync(descriptor)

        self.patch(os, "fsync", spy)
        Identity.fromFile(self.path)
        self.assertEqual(modes, [(0o600, False)])
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_twoAtOnce(self) -> None:
        """
        Who finds, when its key is ready, that another process was faster, takes
        the key of that one.
        """
        other = Identity.generate()
        create = secrets.createSecret

        def late(path: str | os.PathLike[str], data: bytes, owner: None) -> None:
            create(path, other.privateKey.toPEM())
            create(path, data, owner)

        self.patch(identity, "createSecret", late)
        self.assertEqual(Identity.fromFile(self.path).peerID, other.peerID)
        self.assertEqual(os.listdir(self.folder), ["node.key"])

    def test_crash(self) -> None:
        """
        Who fails in the middle leaves nothing behind, least of all half a key.
        """

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, "fsync", full)
        self.assertConfigurationError("No space left on device")
        self.assertEqual(os.listdir(self.folder), [])

    def test_everyType(self) -> None:
        """
        Keys of every type are read, from PEM and from the protobuf that the
        other implementations write.
        """
        for name in ("ed25519", "secp256k1", "ecdsa_p256", "rsa4096"):
            entry = vector(f"key.{name}")
            me = Identity(PrivateKey.fromBytes(hexBytes(entry, "private")))
            self.path.unlink(missing_ok=True)
            me.toFile(self.path)
            self.assertEqual(str(Identity.fromFile(self.path).peerID), entry["peer_id"])
            self.path.write_bytes(hexBytes(entry, "private"))
            self.assertEqual(str(Identity.fromFile(self.path).peerID), entry["peer_id"])

    def test_notAKey(self) -> None:
        """
        A file that is not a key is refused, and stays as it is.
        """
        for content in (
            b"",
            b"hello",
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            bytes(1 << 17),
        ):
            self.path.write_bytes(content)
            self.assertConfigurationError("holds no key")
            self.assertEqual(self.path.read_bytes(), content)

    def test_noFile(self) -> None:
        """
        What cannot be read or made at all says why.
        """
        self.path.mkdir()
        self.assertConfigurationError("Is a directory")
        self.path = self.folder / "missing" / "node.key"
        self.assertConfigurationError("No such file or directory")

    def test_openToOthers(self) -> None:
        """
        A file that others can read is used, with a warning that never shows the
        key.
        """
        me = Identity.fromFile(self.path)
        for mode, warnings in ((0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)):
            self.path.chmod(mode)
            with capturedLogs() as events:
                self.assertEqual(Identity.fromFile(self.path).peerID, me.peerID)
            warned = [event for event in events if event["log_level"] is LogLevel.warn]
            self.assertEqual(len(warned), warnings, oct(mode))
            for event in warned:
                self.assertEqual(event["path"], str(self.path))
                self.assertEqual(event["mode"], mode)

    def test_neverOverwritten(self) -> None:
        """
        An identity is not written over another file.
        """
        me = Identity.generate()
        me.toFile(self.path)
        error = self.assertRaises(
            ConfigurationError, Identity.generate().toFile, self.path
        )
        self.assertIn("File exists", str(error))
        self.assertEqual(Identity.fromFile(self.path).peerID, me.peerID)
        self.assertEqual(os.listdir(self.folder), ["node.key"])


class VolumeTests(SynchronousTestCase):
    """
    An identity is kept on a volume that is no Unix file system, such as a shared
    folder of a virtual machine.
    """

    def setUp(self) -> None:
        """
        Make a folder.
        """
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "node.key"

    def refuse(self, module: Any, name: str, number: int) -> None:
        """
        Have the volume refuse a call.
        """

        def refused(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        self.patch(module, name, refused)

    def assertKept(self) -> None:
        """
        A new identity is kept, alone, read again, and never overwritten.
        """
        me = Identity.fromFile(self.path)
        self.assertEqual(Identity.fromFile(self.path).peerID, me.peerID)
        self.assertEqual(os.listdir(self.folder), ["node.key"])
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        error = self.assertRaises(
            ConfigurationError, Identity.generate().toFile, self.path
        )
        self.assertIn("File exists", str(error))
        self.assertEqual(Identity.fromFile(self.path).peerID, me.peerID)
        self.assertEqual(os.listdir(self.folder), ["node.key"])
        self.path.unlink()

    def test_noLinks(self) -> None:
        """
        There are no hard links.
        """
        for number in (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS):
            self.refuse(os, "link", number)
            self.assertKept()

    def test_noLocks(self) -> None:
        """
        There are no locks either.
        """
        self.refuse(os, "link", errno.EPERM)
        for number in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.EBADF):
            self.refuse(fcntl, "flock", number)
            self.assertKept()

    def test_noOwners(self) -> None:
        """
        Nothing can be given to another user: neither the file nor a new folder.
        """
        for number in (errno.EPERM, errno.EINVAL, errno.ENOSYS):
            self.refuse(os, "fchown", number)
            folder = self.folder / str(number)
            secrets.createFolder(folder, (65534, 65534))
            path = folder / "node.key"
            me = Identity.fromFile(path, (65534, 65534))
            self.assertEqual(Identity.fromFile(path).peerID, me.peerID)
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)

    def test_noSync(self) -> None:
        """
        Nothing can be synchronized: neither the file nor its folder.
        """
        for number in (errno.EINVAL, errno.ENOTSUP):
            self.refuse(os, "fsync", number)
            self.assertKept()

    def test_twoAtOnce(self) -> None:
        """
        The process that comes second takes the key of the first one, with locks
        and without.
        """
        self.refuse(os, "link", errno.EPERM)
        create = secrets.createSecret
        for _ in range(2):
            other = Identity.generate()

            def late(
                path: str | os.PathLike[str],
                data: bytes,
                owner: None,
                pem: bytes = other.privateKey.toPEM(),
            ) -> None:
                create(path, pem)
                create(path, data, owner)

            self.patch(identity, "createSecret", late)
            self.assertEqual(Identity.fromFile(self.path).peerID, other.peerID)
            self.assertEqual(os.listdir(self.folder), ["node.key"])
            self.path.unlink()
            self.refuse(fcntl, "flock", errno.ENOTSUP)

    def test_locked(self) -> None:
        """
        Whether the name is taken is asked, and the name given, under a lock of the
        folder, which is gone afterwards.
        """
        held = []
        rename = os.rename

        def isLocked() -> bool:
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(descriptor)
            return False

        def spy(*arguments: Any) -> None:
            held.append(isLocked())
            rename(*arguments)

        self.refuse(os, "link", errno.EPERM)
        self.patch(os, "rename", spy)
        Identity.fromFile(self.path)
        self.assertEqual((held, isLocked()), ([True], False))

    def test_full(self) -> None:
        """
        A disk that is full leaves no half key.
        """
        self.refuse(os, "link", errno.EPERM)
        self.refuse(fcntl, "flock", errno.ENOTSUP)
        fsync, calls = os.fsync, []

        def full(descriptor: int) -> None:
            calls.append(descriptor)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        self.patch(os, "fsync", full)
        error = self.assertRaises(ConfigurationError, Identity.fromFile, self.path)
        self.assertIn("No space left", str(error))
        self.assertEqual(os.listdir(self.folder), [])
