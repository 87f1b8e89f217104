"""Fetching the demonstration's CT, from a server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from PancreasSegLib.cli.download import PublicFile, fetch
from PancreasSegLib.errors import UnreadableFileError

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """A server with one file, one that breaks off, and a count of the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        requests = 0

        def do_GET(self):
            Handler.requests += 1
            if self.path == "/missing":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000] if self.path == "/broken" else CONTENT)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}", Handler
    httpd.shutdown()
    httpd.server_close()


def test_fetched_once_and_kept(server, tmp_path):
    address, handler = server
    file = PublicFile("ct.nrrd", f"{address}/ct", DIGEST, "source")
    fractions = []
    path = fetch(file, tmp_path / "cache", fractions.append)
    assert path.read_bytes() == CONTENT
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert fetch(file, tmp_path / "cache") == path
    assert handler.requests == 1


def test_a_damaged_copy_is_fetched_again(server, tmp_path):
    address, _ = server
    (tmp_path / "ct.nrrd").write_bytes(b"damaged")
    path = fetch(PublicFile("ct.nrrd", f"{address}/ct", DIGEST, ""), tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("where", "digest", "part"),
    [
        ("/ct", "0" * 64, "has not the checksum"),
        ("/missing", DIGEST, "could not be fetched"),
        ("/broken", DIGEST, "could not be fetched|checksum"),
    ],
)
def test_a_wrong_file_is_never_kept(server, tmp_path, where, digest, part):
    with pytest.raises(UnreadableFileError, match=part):
        fetch(PublicFile("ct.nrrd", server[0] + where, digest, ""), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_one_sentence(tmp_path):
    with pytest.raises(UnreadableFileError, match="could not be fetched"):
        fetch(PublicFile("ct.nrrd", "http://127.0.0.1:9/ct", DIGEST, ""), tmp_path)
