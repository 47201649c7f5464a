"""Data sets are downloaded, and a download that goes wrong is one line."""

import hashlib
import http.server
import re
import threading
from dataclasses import replace

import pytest

from erf.data import cifar10
from scripts import fetch_data
from tests.erf.data.tiny_sets import camvid_folder, cifar_binary
from tests.scripts.fetching import names, one_line, pack, run

pytestmark = pytest.mark.usefixtures("tiny_sets_are_enough")


class Server:
    """Serves one answer on this machine."""

    def __init__(self, content: bytes, length: int | None = None, status: int = 200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format, *args):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/archive"

    def __enter__(self) -> str:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def archive(tmp_path) -> bytes:
    cifar_binary(tmp_path / "copy")
    return pack(tmp_path / "copy", tmp_path / "copy.tar.gz", "cifar-10-batches-bin").read_bytes()


def downloaded_from(url: str, sha256: str | None, monkeypatch) -> None:
    monkeypatch.setitem(fetch_data.SOURCES, "cifar10", replace(fetch_data.SOURCES["cifar10"], url=url, sha256=sha256))


@pytest.mark.parametrize("known", [True, False])
def test_the_published_archive_is_downloaded(known, archive, tmp_path, monkeypatch):
    with Server(archive, len(archive) if known else None) as url:
        downloaded_from(url, hashlib.sha256(archive).hexdigest() if known else None, monkeypatch)
        assert run("cifar10", "--data-dir", tmp_path / "data") == 0
    fetched = cifar10.load(tmp_path / "data", partial=True)
    assert fetched.content() == cifar10.read(tmp_path / "copy", partial=True).content()
    assert names(tmp_path / "data") == ["cifar10"]


def test_a_download_that_goes_wrong_is_one_line(archive, tmp_path, monkeypatch, capsys):
    right = hashlib.sha256(archive).hexdigest()
    cases = [
        (Server(archive[:-9] + bytes(9), len(archive)), rf"has the SHA-256 \w+, not {right}"),
        (Server(archive[:1000], len(archive)), rf"was cut off after 1000 of {len(archive)} bytes"),
        (Server(b"", 0, status=404), "cannot be downloaded: HTTP Error 404"),
    ]
    for server, message in cases:
        with server as url:
            downloaded_from(url, right, monkeypatch)
            assert run("cifar10", "--data-dir", tmp_path / "data") == 1
        text = one_line(capsys)
        assert text.startswith(f"error: {url} ")
        assert text.endswith("; try again, or pass a copy by --from\n")
        assert re.search(message, text)
        assert names(tmp_path / "data") == []
    assert run("cifar10", "--data-dir", tmp_path / "data") == 1  # the server is gone
    assert "cannot be downloaded: " in one_line(capsys)


def test_a_wrong_download_is_named_by_its_address(tmp_path, monkeypatch, capsys):
    camvid_folder(tmp_path / "copy")
    content = pack(tmp_path / "copy", tmp_path / "copy.zip").read_bytes()
    with Server(content, len(content)) as url:
        downloaded_from(url, None, monkeypatch)
        assert run("cifar10", "--data-dir", tmp_path / "data") == 1
    assert one_line(capsys).startswith(f"error: {url} holds no CIFAR-10")
