"""The downloader against a server on this machine that sends good and bad files, refuses, hangs up or is not there."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from data_files import bouquet, idx, mnist_arrays, mnist_files, tarred, use_folders, write

from tinyconv.datasets import _fetch, fashion_mnist, flowers, mnist

NAME = "file.bin"
GOOD = np.random.default_rng(0).bytes(300_000)  # more than one piece of a download
SHA256 = hashlib.sha256(GOOD).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves ``server.files``; the first folder of the address says how."""

    def do_GET(self):
        self.server.asked.append(self.path)
        kind, name = self.path.strip("/").split("/")
        body = self.server.files.get(name)
        if kind == "refused" or body is None:
            self.send_error(403 if kind == "refused" else 404)
            return
        if kind == "slow":
            self.server.finished.wait(20)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write({"cut": body[: len(body) // 2], "wrong": b"?" + body[1:]}.get(kind, body))

    def log_message(self, *arguments):
        """Nothing on the screen."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.asked, server.finished = {NAME: GOOD}, [], threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.finished.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def mirrors(server):
    """Addresses of the server's folders: ``mirrors("wrong", "good")``."""
    return lambda *kinds: [f"http://127.0.0.1:{server.server_port}/{kind}/" for kind in kinds]


@pytest.fixture(autouse=True)
def own(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return use_folders(monkeypatch, tmp_path)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "datasets" / "things"


def fetch(mirrors):
    return _fetch.fetch("things", NAME, SHA256, mirrors)


def test_good_file_arrives_in_the_cache(mirrors, cache):
    path = fetch(mirrors("good"))
    assert path == cache / NAME
    assert path.read_bytes() == GOOD


def test_nothing_is_downloaded_twice(mirrors, server):
    fetch(mirrors("good"))
    fetch(mirrors("good"))
    assert server.asked == [f"/good/{NAME}"]


@pytest.mark.parametrize("name", [f"{NAME}.gz", NAME], ids=["packed", "unpacked"])
def test_your_own_file_is_not_downloaded(own, server, mirrors, name):
    write(own / "things", {name: b"mine"})
    assert _fetch.fetch("things", f"{NAME}.gz", SHA256, mirrors("good")).read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("kind", ["wrong", "cut", "refused", "slow"])
def test_next_mirror_is_tried(mirrors, server, kind, monkeypatch):
    monkeypatch.setattr(_fetch, "TIMEOUT", (5, 0.3))
    assert fetch(mirrors(kind, "good", "never asked")).read_bytes() == GOOD
    assert server.asked == [f"/{kind}/{NAME}", f"/good/{NAME}"]


def test_next_mirror_is_tried_where_no_server_is(mirrors):
    assert fetch(["http://127.0.0.1:9/", *mirrors("good")]).read_bytes() == GOOD


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("wrong", "wrong hash"),
        ("cut", "connection cut"),
        ("refused", "403 Forbidden"),
        ("slow", "no answer in time"),
    ],
)
def test_failure_leaves_nothing_behind_and_says_why(mirrors, cache, kind, reason, monkeypatch):
    monkeypatch.setattr(_fetch, "TIMEOUT", (5, 0.3))
    (address,) = mirrors(kind)
    with pytest.raises(FileNotFoundError, match=f"from the network {address}: {reason}. Put the file into"):
        fetch([address])
    assert list(cache.iterdir()) == []


def test_one_message_names_every_address(mirrors, own, cache):
    addresses = ["http://127.0.0.1:9/", *mirrors("cut", "wrong", "refused")]
    with pytest.raises(FileNotFoundError) as caught:
        fetch(addresses)
    away, cut, wrong, refused = addresses
    assert str(caught.value) == (
        f"datasets.things: expected {NAME}. Received nothing of that in {own / 'things'} or {cache}, and from the "
        f"network {away}: no connection; {cut}: connection cut; {wrong}: wrong hash; {refused}: 403 Forbidden. "
        "Put the file into one of these folders, or go online; tinyconv.datasets.glyphs needs no download."
    )


def test_run_after_a_cut_download_starts_anew(mirrors, server, cache):
    with pytest.raises(FileNotFoundError):
        fetch(mirrors("cut"))
    assert fetch(mirrors("good")).read_bytes() == GOOD
    assert [file.name for file in cache.iterdir()] == [NAME]


def test_cache_that_cannot_be_written(mirrors, tmp_path):
    write(tmp_path, {"cache": b"a file where the folder should be"})
    with pytest.raises(OSError, match=r"a cache folder that can be written.*Set TINYCONV_CACHE"):
        fetch(mirrors("good"))


# The data sets themselves, from the server instead of the network


def serve(monkeypatch, server, data, files):
    """Let ``data`` expect ``files`` and find them on the server."""
    server.files = files
    monkeypatch.setattr(data, "FILES", {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()})


@pytest.mark.parametrize("data", [mnist, fashion_mnist], ids=["mnist", "fashion_mnist"])
def test_idx_files_are_downloaded(monkeypatch, server, mirrors, data):
    serve(monkeypatch, server, data, mnist_files())
    monkeypatch.setattr(data, "MIRRORS", mirrors("refused", "good"))
    split = data.load_data()
    for (images, labels), (x, y) in zip(split, mnist_arrays().values(), strict=True):
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(labels, y)


def test_only_missing_files_are_downloaded(monkeypatch, server, mirrors, own):
    files = mnist_files()
    serve(monkeypatch, server, mnist, files)
    monkeypatch.setattr(mnist, "MIRRORS", mirrors("good"))
    name, *others = files
    write(own / "mnist", {name.removesuffix(".gz"): gzip.decompress(files[name])})
    mnist.load_data()
    assert server.asked == [f"/good/{other}" for other in others]


def test_file_with_the_right_hash_is_still_checked(monkeypatch, server, mirrors):
    files = mnist_files() | {"train-labels-idx1-ubyte.gz": gzip.compress(idx(np.zeros(9, np.uint8)))}
    serve(monkeypatch, server, mnist, files)
    monkeypatch.setattr(mnist, "MIRRORS", mirrors("good"))
    with pytest.raises(ValueError, match=r"expected 5 labels, one for each image. Received 9 labels"):
        mnist.load_data()


def test_flowers_are_downloaded_and_unpacked(monkeypatch, server, mirrors):
    archive = tarred({f"flower_photos/{name}": contents for name, contents in bouquet().items()})
    server.files = {flowers.ARCHIVE: archive}
    monkeypatch.setattr(flowers, "SHA256", hashlib.sha256(archive).hexdigest())
    monkeypatch.setattr(flowers, "MIRRORS", mirrors("wrong", "good"))
    assert flowers.load_data(8)[0][0].shape == (8, 8, 8, 3)
    assert flowers.class_names() == ("daisy", "tulips")
    assert server.asked == [f"/wrong/{flowers.ARCHIVE}", f"/good/{flowers.ARCHIVE}"]


@pytest.mark.parametrize("data", [mnist, fashion_mnist, flowers], ids=["mnist", "fashion_mnist", "flowers"])
def test_addresses_are_folders(data):
    assert all(address.startswith("http") and address.endswith("/") for address in data.MIRRORS)


@pytest.mark.parametrize("data", [mnist, fashion_mnist], ids=["mnist", "fashion_mnist"])
def test_offline_there_are_glyphs(monkeypatch, data):
    monkeypatch.setattr(data, "MIRRORS", ["http://127.0.0.1:9/"])
    with pytest.raises(FileNotFoundError, match=r"http://127.0.0.1:9/: no connection.*glyphs needs no download"):
        data.load_data()
