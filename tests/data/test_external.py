"""The loaders of larger sets, against a server of our own that can fail in every way."""

import gzip
import hashlib
import http.server
import os
import threading
import urllib.request
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from dgm_lib import data
from dgm_lib.data import external
from dgm_lib.data.download import Source, fetch

TEXT = b"0,1,1\n1,0,0\n"
parse = partial(external.parse_bits, shape=(2, 3))


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one file; `/short` breaks off in the middle, `/wrong` sends other bytes."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        body = {"/short": TEXT[:5], "/wrong": TEXT[::-1], "/junk": b"x" * len(TEXT)}
        self.wfile.write(body.get(self.path, TEXT))

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no $DGM_DATA, and no proxy between us and our server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("DGM_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "dgm" / "toy"


def source(server, page="file", content=TEXT):
    url = f"http://127.0.0.1:{server.server_address[1]}/{page}"
    return Source("toy", ("toy.data",), url, hashlib.sha256(content).hexdigest())


def test_downloads_once_then_reads_the_cache(server, cache):
    for _ in range(2):
        got = fetch(source(server), parse)
        assert got.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert server.requests == ["/file"]
    assert os.listdir(cache) == ["toy.data"]


def test_checksum_of_the_values_is_accepted_too(server, cache):
    values = np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8).tobytes()
    assert fetch(source(server, content=values), parse).sum() == 3


def test_broken_connection_leaves_nothing_behind(server, cache):
    with pytest.raises(data.DataError, match=r"cannot download .*broke after 5 of 12 bytes.*put"):
        fetch(source(server, "short"), parse)
    assert os.listdir(cache) == []
    assert fetch(source(server), parse).sum() == 3  # and the next attempt starts afresh


def test_interrupt_during_the_download_leaves_nothing_behind(server, cache, monkeypatch):
    real = urllib.request.urlopen

    def interrupted(*args, **kwargs):
        answer = real(*args, **kwargs)
        blocks = iter([answer.read(4)])

        def read(_size):
            try:
                return next(blocks)
            except StopIteration:
                raise KeyboardInterrupt from None

        answer.read = read
        return answer

    monkeypatch.setattr(urllib.request, "urlopen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(source(server), parse)
    assert os.listdir(cache) == []


@pytest.mark.parametrize("page", ["wrong", "junk"])
def test_wrong_bytes_are_kept_aside(server, cache, page):
    with pytest.raises(data.DataError, match=r"toy.data is damaged .*now toy.data.damaged"):
        fetch(source(server, page), parse)
    assert os.listdir(cache) == ["toy.data.damaged"]
    assert fetch(source(server), parse).sum() == 3
    assert sorted(os.listdir(cache)) == ["toy.data", "toy.data.damaged"]


@pytest.mark.parametrize("damage", [b"", TEXT[:7], b"0,1,1\n1,0,1\n", b"\x00\xff" * 9])
def test_damaged_cache_is_kept_aside_then_replaced(server, cache, damage):
    fetch(source(server), parse)
    (cache / "toy.data").write_bytes(damage)
    with pytest.raises(data.DataError, match="damaged"):
        fetch(source(server), parse)
    assert (cache / "toy.data.damaged").read_bytes() == damage
    assert not (cache / "toy.data").exists()
    assert fetch(source(server), parse).sum() == 3


def test_page_not_found(server, cache):
    with pytest.raises(data.DataError, match=r"404.*put the file at .*toy.data or at \$DGM_DATA"):
        fetch(source(server, "missing"), parse)
    assert os.listdir(cache) == []


def test_no_network(server, cache):
    where = source(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(data.DataError, match=r"cannot download http://127.*Without network, put"):
        fetch(where, parse)
    assert os.listdir(cache) == []


def test_cache_that_cannot_be_made(server, cache):
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(data.DataError, match="cannot download"):
        fetch(source(server), parse)


def test_dgm_data_comes_first_and_is_never_touched(server, cache, tmp_path, monkeypatch):
    mine = tmp_path / "mine" / "toy"
    mine.mkdir(parents=True)
    monkeypatch.setenv("DGM_DATA", str(mine.parent))
    assert fetch(source(server), parse).sum() == 3  # not there: the cache serves
    assert os.listdir(mine) == []

    (mine / "toy.data").write_bytes(b"1 1 1\r\n1 1 1\r\n")  # other values, but the right shape
    assert fetch(source(server), parse).sum() == 6

    (mine / "toy.data").write_bytes(b"1,0")
    with pytest.raises(data.DataError, match=r"mine.*toy.data is damaged .*replace or remove"):
        fetch(source(server), parse)
    assert os.listdir(mine) == ["toy.data"]


def test_a_file_url_works_as_well(cache, tmp_path):
    (tmp_path / "here.data").write_bytes(TEXT)
    url = (tmp_path / "here.data").as_uri()
    where = Source("toy", ("toy.data",), url, hashlib.sha256(TEXT).hexdigest())
    assert fetch(where, parse).sum() == 3


@pytest.mark.parametrize("text", [b"0,1,2\n1,0,0\n", b"0,1\n1,0,0\n", b"0,1,-1\n1,0,0", b"0.5,1"])
def test_bits_reject_what_are_none(tmp_path, text):
    (tmp_path / "bad.data").write_bytes(text)
    with pytest.raises(ValueError, match=r"it holds more|shape"):
        parse(tmp_path / "bad.data")


def test_bits_from_matlab(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "x.mat", {"X": np.asfortranarray([[0, 1, 1], [1, 0, 0]], dtype=np.uint8)})
    assert parse(tmp_path / "x.mat").tobytes() == bytes([0, 1, 1, 1, 0, 0])


def test_csv_with_and_without_names(tmp_path):
    read = partial(external.parse_csv, shape=(2, 2))
    (tmp_path / "a.csv").write_text('"fixed acidity";"quality"\n7.4;5\n7.8;6\n')
    (tmp_path / "b.csv").write_text("7.4,5\n7.8,6\n")
    assert read(tmp_path / "a.csv").tolist() == read(tmp_path / "b.csv").tolist()
    with pytest.raises(ValueError, match=r"shape \(2, 2\); want \(3, 2\)"):
        external.parse_csv(tmp_path / "b.csv", shape=(3, 2))


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes())


def test_mnist_from_files_in_its_format(tmp_path, monkeypatch):
    """Tiny files in the layout of the real ones; the shapes in the table are made to fit."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    images = np.arange(3 * 28 * 28).reshape(3, 28, 28) % 256
    table = {}
    for name, (shape, sha256) in external.CHECKSUMS["mnist"].items():
        array = images if len(shape) == 3 else np.array([5, 0, 4])
        (folder / name).write_bytes(idx(array))
        table[name] = (array.shape, sha256)
    monkeypatch.setitem(external.CHECKSUMS, "mnist", table)
    monkeypatch.setenv("DGM_DATA", str(tmp_path))
    d = data.mnist(images=True)
    assert d.train.shape == (3, 1, 28, 28)
    torch.testing.assert_close(d.test[:, 0], torch.from_numpy(images / 255).float())
    assert d.train_labels.tolist() == [5, 0, 4]
    assert data.mnist().train.shape == (3, 784)

    name = "train-images-idx3-ubyte.gz"
    for damaged in (idx(images)[:-20], idx(images[:2]), gzip.compress(b"hello"), b"<html>"):
        (folder / name).write_bytes(damaged)
        with pytest.raises(data.DataError, match=f"{name} is damaged"):
            data.mnist()


def test_every_checksum_is_a_sha256():
    for parts in external.CHECKSUMS.values():
        for _, sha256 in parts.values():
            assert len(bytes.fromhex(sha256)) == 32


@pytest.mark.parametrize("fold", [-1, 10])
def test_red_wine_has_ten_folds(fold):
    with pytest.raises(ValueError, match=f"fold: got {fold}; want 0 to 9"):
        data.red_wine(fold)


def _here(folder):
    own = os.environ.get("DGM_DATA")
    there = own and (Path(own) / folder).is_dir()
    return pytest.mark.skipif(not there, reason=f"$DGM_DATA holds no {folder}")


@pytest.mark.parametrize(
    ("load", "name"),
    [
        pytest.param(getattr(data, name), name, marks=_here(name))
        for name in ("nltcs", "dna", "binarized_mnist")
    ],
)
def test_published_bits(load, name):
    for part, x in zip(data.Splits._fields, load(), strict=True):
        shape, sha256 = external.CHECKSUMS[name][part]
        assert x.shape == shape
        assert hashlib.sha256(x.to(torch.uint8).numpy().tobytes()).hexdigest() == sha256


@pytest.mark.skipif(_here("wine").args[0], reason="$DGM_DATA holds no wine")
def test_red_wine_folds_cover_the_set_once():
    folds = [data.red_wine(fold) for fold in range(10)]
    assert sum(len(d.test) for d in folds) == 1599
    assert all(len(d.train) + len(d.test) == 1599 for d in folds)
    d = folds[3]
    torch.testing.assert_close(d.train.mean(0), torch.zeros(11), rtol=0, atol=1e-5)
    torch.testing.assert_close(d.train.std(0), torch.ones(11))
    labels = torch.cat([d.test_labels for d in folds])
    assert labels.bincount().tolist() == [0, 0, 0, 10, 53, 681, 638, 199, 18]  # Cortez et al.
