"""Plain data survive the channel; nothing else gets through."""

import json
import math
import socket
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.channel import Broken, Channel, Closed, Late, decode, encode

DTYPES = [
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
]


def tensors() -> st.SearchStrategy[torch.Tensor]:
    def build(shape: list[int], dtype: torch.dtype, seed: int, flip: bool) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        tensor = (10 * torch.randn(shape, generator=generator)).to(dtype)
        return tensor.T if flip and tensor.dim() == 2 else tensor

    shapes = st.lists(st.integers(0, 3), max_size=3)
    return st.builds(build, shapes, st.sampled_from(DTYPES), st.integers(0, 99), st.booleans())


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | tensors()
PLAIN = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def through(value: object) -> object:
    tree, blobs = encode(value)
    return decode(json.loads(json.dumps(tree)), [bytearray(blob) for blob in blobs])


@given(PLAIN)
@settings(max_examples=60, deadline=None)
def test_plain_data_survive(value):
    assert same(through(value), value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_odd_numbers_survive_in_tensors(value):
    came = through(torch.tensor([value, 1.0]))
    assert torch.equal(came, torch.tensor([value, 1.0])) or (math.isnan(value) and came[0].isnan())


def test_strides_are_forgotten_and_values_kept():
    tensor = torch.arange(12).reshape(3, 4)[:, ::2]
    came = through(tensor)
    assert came.is_contiguous()
    assert torch.equal(came, tensor)


def deep(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, 10**400, torch.eye(2).to_sparse(), torch.empty(2, device="meta"), deep(50)],
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(Broken):
        encode(value)


@pytest.mark.parametrize(
    "tree",
    [
        {"tensor": 0, "dtype": "float32", "shape": [3]},  # the blob holds two
        {"tensor": 0, "dtype": "float32", "shape": [-2]},
        {"tensor": 0, "dtype": "float32", "shape": [True, 2]},
        {"tensor": 1, "dtype": "float32", "shape": [2]},
        {"tensor": -1, "dtype": "float32", "shape": [2]},
        {"tensor": 0, "dtype": "qint8", "shape": [8]},
        {"tensor": 0, "dtype": "float32", "shape": "2"},
        {"float": "1.0"},
        {"code": "print()"},
        {"list": 3},
        {"dict": [[1]]},
        {"list": [], "tuple": []},
        [1, 2],
        {},
    ],
)
def test_a_forged_tree_is_refused(tree):
    with pytest.raises(Broken):
        decode(tree, [bytearray(8)])


def test_bytes_other_than_0_and_1_make_proper_booleans():
    came = decode({"tensor": 0, "dtype": "bool", "shape": [3]}, [bytearray([0, 1, 7])])
    assert came.tolist() == [False, True, True]
    assert came.sum() == 2


@pytest.fixture
def ends():
    a, b = socket.socketpair()
    yield Channel(a, 1 << 20), Channel(b, 1 << 20)
    a.close()
    b.close()


def test_a_frame_arrives_whole(ends):
    ours, theirs = ends
    big = bytes(range(256)) * 2000
    sender = threading.Thread(target=ours.send, args=({"n": 1}, [b"", big]))
    sender.start()
    assert theirs.receive(5) == ({"n": 1}, [b"", big])
    sender.join()


def test_silence_is_late_and_a_hang_up_is_closed(ends):
    ours, theirs = ends
    with pytest.raises(Late):
        theirs.receive(0.05)
    ours.sock.sendall(b"\0\0")  # a frame that never ends is late as well
    with pytest.raises(Late):
        theirs.receive(0.05)
    ours.close()
    with pytest.raises(Closed):
        theirs.receive(1)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 8,
        b"\0\0\0\2\0\0\0\0" + b"[]",
        b"\0\0\0\2\0\0\0\0" + b"{x",
        b"\0\0\0\2\0\0\0\1" + b"\xff" * 8 + b"{}",
    ],
)
def test_a_forged_frame_is_broken(ends, data):
    ours, theirs = ends
    ours.sock.sendall(data)
    with pytest.raises(Broken):
        theirs.receive(1)


def test_deep_json_is_broken_and_not_a_crash(ends):
    ours, theirs = ends
    text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    sender = threading.Thread(
        target=ours.sock.sendall, args=(len(text).to_bytes(4, "big") + b"\0" * 4 + text,)
    )
    sender.start()
    with pytest.raises(Broken):
        theirs.receive(5)
    sender.join()
