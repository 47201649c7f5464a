"""Files among pictures that are none: they start no program, block nothing and fill no memory; each is one line."""

import os
import socket
import struct
import subprocess
import threading
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from erf import InvalidInput
from erf.data import camvid, cifar10
from erf.data.pictures import Pictures
from tests.erf.data.tiny_sets import camvid_folder, cifar_binary, cifar_folder, write_image

BANDS = {"channels": 4, "mean": (0.0,) * 4, "std": (1.0,) * 4}


def pictures(folder):
    write_image(folder / "a.png", np.zeros((9, 9, 3), np.uint8))
    return folder / "b.png", lambda: Pictures(folder, (8, 8))


def bands(folder, name):
    np.save(folder / "a.npy", np.zeros((4, 9, 9)))
    return folder / name, lambda: Pictures(folder, (8, 8), **BANDS)


def of_camvid(folder, name):
    camvid_folder(folder)
    return folder / name, lambda: camvid.read(folder, partial=True)


def of_cifar10(make, folder, name):
    make(folder)
    return folder / name, lambda: cifar10.read(folder, partial=True)


READERS = {
    "pictures": pictures,
    "bands": lambda folder: bands(folder, "b.npy"),
    "bands of TIFF": lambda folder: bands(folder, "b.tif"),
    "frames of CamVid": lambda folder: of_camvid(folder, "train/001.png"),
    "labels of CamVid": lambda folder: of_camvid(folder, "trainannot/001.png"),
    "images of CIFAR-10": lambda folder: of_cifar10(cifar_folder, folder, "train/cat/0001.png"),
    "records of CIFAR-10": lambda folder: of_cifar10(cifar_binary, folder, "data_batch_2.bin"),
}
OF_PILLOW = [name for name in READERS if name not in ("bands", "records of CIFAR-10")]


def let_readers_go(fifo, end):
    """Let who has opened the FIFO read its end, so that a test of code that blocks fails instead of blocking."""
    while not end.wait(3) and fifo.exists():
        os.close(os.open(fifo, os.O_RDWR))


@pytest.fixture
def special(monkeypatch):
    """Return what puts a file that is not regular at a path."""
    end, sockets = threading.Event(), []

    def make(kind, path):
        path.unlink(missing_ok=True)
        if kind == "FIFO":
            os.mkfifo(path)
            threading.Thread(target=let_readers_go, args=(path, end), daemon=True).start()
        elif kind == "socket":
            monkeypatch.chdir(path.parent)  # its path may have 107 bytes
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].bind(path.name)
        else:
            path.symlink_to("/dev/zero")

    yield make
    end.set()
    for one in sockets:
        one.close()


def refusal(read):
    with pytest.raises(InvalidInput) as error:
        read()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("kind", ["FIFO", "socket", "device"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_one_line(reader, kind, special, tmp_path):
    path, read = READERS[reader](tmp_path)
    special(kind, path)
    message = refusal(read)
    assert path.name in message
    assert "Not a regular file" in message


def test_a_fifo_among_pictures_is_skipped_if_asked(special, tmp_path):
    path, _ = pictures(tmp_path)
    special("FIFO", path)
    assert Pictures(tmp_path, (8, 8), unreadable="skip").skipped == (path,)


@pytest.mark.parametrize("kind", ["FIFO", "device"])
def test_camvid_is_not_copied_from_what_is_no_regular_file(kind, special, tmp_path):
    path, _ = of_camvid(tmp_path / "source", "train/001.png")
    (tmp_path / "target").mkdir()
    special(kind, path)
    with pytest.raises(OSError, match="Not a regular file"):
        camvid.copy(tmp_path / "source", tmp_path / "target")


@pytest.mark.parametrize("reader", OF_PILLOW)
def test_an_eps_by_another_name_starts_no_program(reader, tmp_path, monkeypatch):
    path, read = READERS[reader](tmp_path)
    Image.new("RGB", (32, 32)).save(path, "EPS")
    started, program = tmp_path / "started", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch '{started}'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(program))
    assert "cannot identify image file" in refusal(read)
    assert not started.exists()
    with Image.open(path) as anything, pytest.raises(subprocess.CalledProcessError):
        anything.load()
    assert started.exists()  # the program would have been started


def png_of(rows, columns):
    """Return a PNG that says it has so many pixels, and has none."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0), b"IDAT": zlib.compress(b""), b"IEND": b""}
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("side", [9_500, 60_000])  # Pillow warns of the first and refuses the second
@pytest.mark.parametrize("reader", ["pictures", "frames of CamVid", "labels of CamVid", "images of CIFAR-10"])
def test_more_pixels_than_the_limit_are_not_decoded(reader, side, tmp_path):
    path, read = READERS[reader](tmp_path)
    path.write_bytes(png_of(side, side))
    assert "exceeds limit" in refusal(read)


def test_another_size_is_seen_before_it_is_decoded(tmp_path):
    path, read = of_cifar10(cifar_folder, tmp_path, "train/cat/0001.png")
    path.write_bytes(png_of(9_000, 9_000))
    assert "9000 x 9000 pixels (rows x columns), not 32 x 32" in refusal(read)


def npy_of(shape, kind="<f4"):
    """Return an .npy whose header promises so many numbers; there are none."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()


@pytest.mark.parametrize("shape", [(4, 10**6, 10**6), (4, 10**9, 10**9), (4, 10**30, 1), (4, 90, 90)])
def test_an_array_that_promises_more_than_the_file_holds(shape, tmp_path):
    path, read = bands(tmp_path, "b.npy")
    path.write_bytes(npy_of(shape))
    assert "b.npy cannot be read: " in refusal(read)


def test_an_array_of_more_pixels_than_the_limit(tmp_path, monkeypatch):
    _, read = bands(tmp_path, "b.npy")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80)
    assert "image size (81 pixels) exceeds the limit of 80 pixels" in refusal(read)


def test_numbers_beyond_float32_are_not_finite(tmp_path):
    path, read = bands(tmp_path, "b.npy")
    np.save(path, np.full((4, 9, 9), 1e300))
    assert "allowed are finite real numbers" in refusal(read)


def test_more_images_than_the_data_set_has_are_not_read(tmp_path, monkeypatch):
    _, read = READERS["records of CIFAR-10"](tmp_path)
    monkeypatch.setattr(cifar10, "IMAGES", 20)
    assert "data_batch_1.bin: over 20 images" in refusal(read)
