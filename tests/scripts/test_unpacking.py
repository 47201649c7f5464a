"""Archives that are hostile, damaged or of a kind that is not supported: one line, and nothing outside the folder."""

import io
import os
import stat
import struct
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from erf import InvalidInput
from scripts import unpacking


def tar_of(path, *members):
    """Write an archive of (name, type, link, content)."""
    with tarfile.open(path, "w:gz") as packed:
        for name, kind, link, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, len(content)
            packed.addfile(member, io.BytesIO(content))
    return path


def zip_of(path, name="a.txt", content=b"0123456789" * 20, mode=stat.S_IFREG):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        member = zipfile.ZipInfo(name)
        member.external_attr = (mode | 0o644) << 16
        packed.writestr(member, content)
    return path


def refusal(archive):
    folder = archive.parent / "out" / "unpacked"
    with pytest.raises(InvalidInput) as error:
        unpacking.unpack(archive, folder, "copy")
    message = str(error.value)
    assert message.startswith("copy ")
    assert "\n" not in message
    assert {path.name for path in archive.parent.iterdir()} <= {archive.name, "out"}
    return message


KINDS = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "FIFO": tarfile.FIFOTYPE}
KINDS |= {"device": tarfile.CHRTYPE, "block device": tarfile.BLKTYPE}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_neither_a_file_nor_a_folder_stays_in_a_tar(kind, tmp_path):
    first = ("a.txt", tarfile.REGTYPE, "", b"a")
    assert "neither a file nor a folder" in refusal(tar_of(tmp_path / "a.tgz", first, ("b", KINDS[kind], "a.txt", b"")))
    assert not os.path.lexists(tmp_path / "out" / "unpacked" / "b")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_neither_a_file_nor_a_folder_stays_in_a_zip(mode, tmp_path):
    assert "neither a file nor a folder" in refusal(zip_of(tmp_path / "a.zip", "b", b"/etc", mode))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", ["MEMBERS", "BYTES"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_too_much_is_refused_before_it_is_written(kind, limit, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, limit, {"MEMBERS": 2, "BYTES": 25}[limit])
    files = [(f"{number}", tarfile.REGTYPE, "", bytes(10)) for number in range(3)]
    if kind == "tar":
        archive = tar_of(tmp_path / "a.tgz", *files)
    else:
        archive = zip_of(tmp_path / "a.zip", "0", bytes(10))
        with zipfile.ZipFile(archive, "a") as packed:
            for name, *_, content in files[1:]:
                packed.writestr(name, content)
    assert "more than 2 members" in (text := refusal(archive)) or "or 25 bytes" in text
    assert not (tmp_path / "out" / "unpacked" / "2").exists()
    monkeypatch.undo()
    unpacking.unpack(archive, tmp_path / "out" / "all", "copy")
    assert (tmp_path / "out" / "all" / "2").read_bytes() == bytes(10)


def test_a_bomb_whose_header_promises_little_writes_no_more_than_that(tmp_path):
    archive = zip_of(tmp_path / "a.zip", content=bytes(10**7))
    content = archive.read_bytes().replace(struct.pack("<I", 10**7), struct.pack("<I", 100))
    archive.write_bytes(content)
    assert "is damaged" in refusal(archive)
    assert (tmp_path / "out" / "unpacked" / "a.txt").stat().st_size <= 100


def with_bits(archive, *, flags=0, method=None):
    """Set flags, or the method of compression, in both headers of a zip's member."""
    content = bytearray(archive.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.index(mark) + place
        content[start] |= flags
        if method is not None:
            content[start + 2 : start + 4] = struct.pack("<H", method)
    archive.write_bytes(content)
    return archive


def test_an_encrypted_zip_and_a_method_that_is_not_supported(tmp_path):
    assert "copy cannot be unpacked: 'a.txt' is encrypted" in refusal(with_bits(zip_of(tmp_path / "a.zip"), flags=1))
    assert "copy cannot be unpacked: That compression" in refusal(with_bits(zip_of(tmp_path / "a.zip"), method=97))


def test_a_fifo_is_no_archive(tmp_path):
    fifo, end = tmp_path / "a.zip", threading.Event()
    os.mkfifo(fifo)

    def let_readers_go():  # so that a test of code that blocks fails instead of blocking
        while not end.wait(3):
            os.close(os.open(fifo, os.O_RDWR))

    threading.Thread(target=let_readers_go, daemon=True).start()
    assert refusal(fifo) == "copy is neither a file nor a folder"
    end.set()


def outcome(archive, folder):
    """Return the files that come out of the archive, by path; None where it is refused."""
    try:
        unpacking.unpack(archive, folder, "copy")
    except (InvalidInput, OSError) as error:
        return str(error).splitlines()[1:] or None
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["tgz", "zip"])
def test_whatever_is_damaged_is_one_line_or_what_was_packed(kind, tmp_path):
    text = b"".join(b"%d" % number for number in range(300))
    folder = ("folder", tarfile.DIRTYPE, "", b"")
    files = [(f"folder/{number}", tarfile.REGTYPE, "", text) for number in range(3)]
    archive = tar_of(tmp_path / "a.tgz", folder, *files) if kind == "tgz" else zip_of(tmp_path / "a.zip", content=text)
    content, rng = archive.read_bytes(), np.random.default_rng(0)
    outcomes = []
    for attempt in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 1 + attempt % 3):
            damaged[place] ^= 1 << rng.integers(8)
        archive.write_bytes(damaged if attempt % 4 else content[: rng.integers(len(content))])
        outcomes.append(outcome(archive, tmp_path / "out" / str(attempt)))
        assert {path.name for path in tmp_path.iterdir()} <= {archive.name, "out"}
    archive.write_bytes(content)
    packed = outcome(archive, tmp_path / "out" / "undamaged")
    assert [files for files in outcomes if files not in (None, packed)] == []
    assert outcomes.count(None) > 40
