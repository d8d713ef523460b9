# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Files that hold a secret.

They may lie on volumes that lack some functions of a Unix file system: shared folders
of virtual machines (vboxsf, 9p), FAT and exFAT, network shares.  These have no hard
links, no modes, or no way to synchronize.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from twisted_libp2p.onuse import loadedOnUse

with loadedOnUse():
    # They take longer to load than all the rest that libp2p id needs.
    import tempfile

    from twisted_libp2p import logger

try:
    import fcntl
except ImportError:
    # Windows has no locks of this kind.
    fcntl = None  # type: ignore[assignment]

__all__ = ["createFolder", "createSecret", "readSecret", "replaceSecret"]

# The errors by which volumes refuse a call that they do not support.
_REFUSED = frozenset(
    {
        errno.EPERM,
        errno.EACCES,
        errno.EINVAL,
        errno.EISDIR,
        errno.EBADF,
        errno.EMLINK,
        errno.ENOSYS,
        errno.ENOTSUP,
        errno.EOPNOTSUPP,
        errno.EXDEV,
        errno.ENOLCK,
        errno.ENOTTY,
    }
)


def readSecret(what: str, path: str | os.PathLike[str], maximum: int) -> bytes:
    """
    Read a file that no other user should be able to read; log a warning if others can.

    @param what: the kind of file, for the warning.
    @param maximum: the size of the largest such file, in bytes.
    @return: the content; of a larger file, one byte more than C{maximum}.
    @raise OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        content = file.read(maximum + 1)
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        logger.Logger().warn(
            "{what} {path} is open to others (mode {mode:o});"
            " it holds a secret: chmod 600, or keep it on a volume that has modes.",
            what=what,
            path=os.fspath(path),
            mode=stat.S_IMODE(mode),
        )
    return content


def createSecret(
    path: str | os.PathLike[str],
    content: bytes,
    owner: tuple[int, int] | None = None,
) -> None:
    """
    Make a file that no other user can read, and that is complete when it appears
    under its name.

    @param content: the content of the file.
    @param owner: the user and the group that the file belongs to; those of the
        process by default.
    @raise FileExistsError: the name is taken.
    @raise OSError: the file cannot be made.
    """
    folder = os.path.dirname(os.path.abspath(path))
    # mkstemp gives the mode 0600 at the creation.
    descriptor, temporary = tempfile.mkstemp(prefix=".identity-", dir=folder)
    try:
        _fill(descriptor, content, owner)
        try:
            # Unlike rename, it fails if another process was faster.
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            _withoutLink(temporary, path, content, owner)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
    if os.name == "posix":
        # A process that cannot open the folder cannot synchronize it.
        with suppress(PermissionError), _opened(folder) as descriptor:
            _sync(descriptor)


def replaceSecret(path: str | os.PathLike[str], content: bytes) -> None:
    """
    Write a file that no other user can read, in place of the one with this name if
    there is one.  A file with this name is complete at any time.

    @param content: the content of the file.
    @raise OSError: the file cannot be written.
    """
    new = f"{os.fspath(path)}.new"
    with suppress(FileNotFoundError):
        os.unlink(new)
    createSecret(new, content)
    os.replace(new, path)


def createFolder(
    path: str | os.PathLike[str],
    owner: tuple[int, int] | None = None,
    mode: int = 0o700,
) -> None:
    """
    Make a folder that no other user can read, and the missing folders above it.

    @param owner: the user and the group that new folders belong to; those of the
        process by default.
    @param mode: the mode of a new folder.
    @raise OSError: the path is not a folder, or the folder cannot be made.
    """
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        createFolder(parent, owner, 0o777)
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        # Another process was faster, or it is a file.
        if not os.path.isdir(path):
            raise
        return
    if owner is not None:
        # The folder itself, whatever has this name by now.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _give(descriptor, owner)
        finally:
            os.close(descriptor)


def _withoutLink(
    temporary: str,
    path: str | os.PathLike[str],
    content: bytes,
    owner: tuple[int, int] | None,
) -> None:
    """
    Give a complete file its name on a volume without hard links.

    Processes that do this at the same time wait for each other.  On a volume that has
    no locks either, the file is written under its name: another process may find it
    incomplete there, and refuses it.
    """
    with _locked(os.path.dirname(os.path.abspath(path))) as locked:
        if locked:
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            os.rename(temporary, path)
            return
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        _fill(descriptor, content, owner)
    except BaseException:
        os.unlink(path)
        raise


def _fill(descriptor: int, content: bytes, owner: tuple[int, int] | None) -> None:
    """
    Write a new file to the disk, and close it.
    """
    with open(descriptor, "wb") as file:
        if owner is not None:
            _give(descriptor, owner)
        file.write(content)
        file.flush()
        _sync(descriptor)


def _give(descriptor: int, owner: tuple[int, int]) -> None:
    """
    Change the owner of a file or a folder, if its volume has owners.  On other volumes
    everything belongs to the user for whom the volume was mounted.
    """
    try:
        os.fchown(descriptor, *owner)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise


def _sync(descriptor: int) -> None:
    """
    Write a file or a folder to the disk, if its volume can do that.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: str) -> Iterator[bool]:
    """
    Lock a folder.

    @return: a context manager whose value says whether the volume has locks.
    """
    if fcntl is None:
        yield False
        return
    with _opened(folder) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            locked = False
        else:
            locked = True
        # Closing the folder unlocks it.
        yield locked
