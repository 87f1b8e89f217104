"""Fetching public files, from a server on this machine."""

from __future__ import annotations

import hashlib
import http.server
import threading
from typing import ClassVar

import pytest

from PancreasSegLib.errors import UnreadableFileError
from PancreasSegLib.models.catalogue.download import PublicFile, fetch

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """A server with one file, one that breaks off, and a count of the requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        requests = 0
        starts: ClassVar[list[int]] = []

        def do_GET(self):
            Handler.requests += 1
            if self.path == "/missing":
                self.send_error(404)
                return
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.path != "/no-ranges" else 0
            Handler.starts.append(start)
            if start > len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.end_headers()
            rest = CONTENT[start:]
            breaks = self.path in ("/broken", "/once") and not (self.path == "/once" and start)
            self.wfile.write(rest[:1000] if breaks else rest)

        def log_message(self, *args):
            pass

    Handler.starts.clear()
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
    assert [p.name for p in tmp_path.iterdir()] == (["ct.nrrd.part"] if where == "/broken" else [])


@pytest.mark.parametrize(("kind", "size"), [("sha1", 0), ("sha256", len(CONTENT))])
def test_a_download_goes_on_where_it_broke_off(server, tmp_path, kind, size):
    address, handler = server
    file = PublicFile("m.zip", f"{address}/once", hashlib.new(kind, CONTENT).hexdigest(), "", size)
    with pytest.raises(UnreadableFileError, match="goes on where this one stopped"):
        fetch(file, tmp_path)
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert handler.starts == [0, 1000]
    assert [p.name for p in tmp_path.iterdir()] == ["m.zip"]


@pytest.mark.parametrize(("where", "there"), [("/no-ranges", b"x" * 500), ("/ct", b"x" * (len(CONTENT) + 1))])
def test_a_server_that_cannot_go_on_sends_all_of_it(server, tmp_path, where, there):
    (tmp_path / "m.zip.part").write_bytes(there)
    assert fetch(PublicFile("m.zip", server[0] + where, DIGEST, ""), tmp_path).read_bytes() == CONTENT


def test_a_size_is_checked_where_there_is_no_checksum(server, tmp_path):
    with pytest.raises(UnreadableFileError, match="not the size"):
        fetch(PublicFile("m.zip", f"{server[0]}/ct", "", "", 17), tmp_path)
    assert fetch(PublicFile("m.zip", f"{server[0]}/ct", "", "", len(CONTENT)), tmp_path).read_bytes() == CONTENT


def test_no_server_is_one_sentence(tmp_path):
    with pytest.raises(UnreadableFileError, match="could not be fetched"):
        fetch(PublicFile("ct.nrrd", "http://127.0.0.1:9/ct", DIGEST, ""), tmp_path)
