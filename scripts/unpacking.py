"""Archives from elsewhere: only files and folders come out, in the folder given, and no more than a data set has."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from erf.errors import InvalidInput, one_line

BLOCK = 1 << 20  # bytes of one read
MEMBERS = 200_000  # files and folders: CIFAR-10 has 60,000 images
ENCRYPTED = 1  # the flag of a member of a zip
BYTES = 4 << 30  # unpacked: CamVid has 0.4 GiB


def unpack(archive: Path, folder: Path, called: str) -> None:
    """Write what is in ``archive``, of which messages speak as ``called``, into ``folder``.

    Raises:
        InvalidInput: It is no archive, damaged or encrypted, has too many or too large members, or one that is neither
            a file nor a folder, or would be written outside of ``folder``.
        OSError: The disk is full, or a name is too long.
    """
    if not archive.exists():
        raise InvalidInput(f"{called} does not exist")
    if not archive.is_file():
        raise InvalidInput(f"{called} is neither a file nor a folder")
    try:
        if tarfile.is_tarfile(archive):
            _unpack_tar(archive, folder, called)
        elif zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, called)
        else:
            raise InvalidInput(f"{called} is neither a whole .tar.gz, .tar.xz or .zip archive nor a folder")
    except InvalidInput:
        raise
    except Exception as error:  # Python's readers raise almost anything on a damaged archive
        if isinstance(error, OSError) and error.errno:  # of the system
            raise
        verb = "cannot be unpacked" if isinstance(error, RuntimeError) else "is damaged"  # encrypted, or unsupported
        raise InvalidInput(f"{called} {verb}: {one_line(error) or type(error).__name__}") from error


def _unpack_tar(archive: Path, folder: Path, called: str) -> None:
    limits = _Limits(called)
    with tarfile.open(archive) as packed:
        for member in packed:  # one by one, as nothing says how many there are
            limits.require(member.name, member.size, member.isreg() or member.isdir())
            packed.extract(member, folder, filter="data")
        compressed: Any = packed.fileobj
        while rest := compressed.read(BLOCK):  # at its end the checksum is compared
            limits.require(".", len(rest), True)


def _unpack_zip(archive: Path, folder: Path, called: str) -> None:
    limits = _Limits(called)
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if member.flag_bits & ENCRYPTED:
                raise RuntimeError(f"{member.filename!r} is encrypted")
            kind = stat.S_IFMT(member.external_attr >> 16)
            limits.require(member.filename, member.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR))
        packed.extractall(folder)


@dataclass
class _Limits:
    """What may come out of an archive, and what has already."""

    called: str
    members: int = 0
    size: int = 0

    def require(self, name: str, size: int, is_plain: bool) -> None:
        """Raise InvalidInput unless the next member, of so many bytes, may be written."""
        path = PurePosixPath(name.replace("\\", "/"))
        self.members += 1
        self.size += size
        if path.is_absolute() or ".." in path.parts or not is_plain:
            problem = f"{name!r} leaves its folder, or is neither a file nor a folder"
        elif self.members > MEMBERS or self.size > BYTES:
            problem = f"it has more than {MEMBERS} members or {BYTES} bytes, more than any data set here"
        else:
            return
        raise InvalidInput(f"{self.called} is not safe to unpack: {problem}")
