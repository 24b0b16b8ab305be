"""A narrow channel between two processes: JSON and raw array bytes.

A frame is the length of its header and of each blob, then a JSON header, then the blobs. Plain data
(tensors, numbers, strings, None, and tuples, lists and dicts of them) travel as a tree in the header
whose tensors point to blobs. The reader trusts nothing: it caps sizes, and checks every dtype, shape
and length before it builds a tensor. Nothing that the child sends is ever unpickled. The other way
round, what the trusted parent sends may be anything that can be pickled: `pack` and `unpack`.
"""

import io
import json
import math
import pickle
import socket
import struct
import time
from typing import Any

import torch
from torch import Tensor

from dgm_lib.checks.call import Plain

DEPTH = 32
"""How deeply plain data may be nested."""

_COUNT = struct.Struct("!II")
_SIZE = struct.Struct("!Q")
_BLOBS, _HEADER = 1 << 10, 8 << 20
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
        *(torch.complex64, torch.complex128),
    )
}


class Broken(Exception):
    """What came is not a frame, or not plain data."""


class Closed(Exception):
    """The other side is gone."""


class Late(Exception):
    """Nothing complete came in time."""


class Channel:
    """One end of a stream socket that carries frames.

    Args:
        sock: a connected stream socket.
        cap: the largest frame that is read, in bytes.
    """

    def __init__(self, sock: socket.socket, cap: int):
        self.sock = sock
        self.cap = cap

    def send(self, header: dict, blobs: "list[bytes]" = (), seconds: float | None = None) -> None:
        """Send one frame. Raises `Closed` or `Late`."""
        text = json.dumps(header).encode()
        sizes = b"".join(_SIZE.pack(len(blob)) for blob in blobs)
        self.sock.settimeout(seconds)
        try:
            self.sock.sendall(_COUNT.pack(len(text), len(blobs)) + sizes + text + b"".join(blobs))
        except TimeoutError:
            raise Late from None
        except OSError:
            raise Closed from None

    def receive(self, seconds: float | None = None) -> tuple[dict, list[bytearray]]:
        """The next frame, complete within `seconds`. Raises `Closed`, `Late` or `Broken`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        length, count = _COUNT.unpack(self._read(_COUNT.size, deadline))
        if length > min(self.cap, _HEADER) or count > _BLOBS:
            raise Broken(f"a message of {length} bytes and {count} arrays is too large")
        sizes = [s for (s,) in _SIZE.iter_unpack(self._read(count * _SIZE.size, deadline))]
        if length + sum(sizes) > self.cap:
            raise Broken(f"a message of {length + sum(sizes)} bytes is too large")
        try:
            header = json.loads(self._read(length, deadline))
        except (ValueError, RecursionError):
            raise Broken("a message is not JSON") from None
        if not isinstance(header, dict):
            raise Broken("a message is not a JSON object")
        return header, [self._read(size, deadline) for size in sizes]

    def close(self) -> None:
        self.sock.close()

    def _read(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < size:
            if deadline is not None and time.monotonic() >= deadline:
                raise Late
            self.sock.settimeout(
                None if deadline is None else max(deadline - time.monotonic(), 1e-3)
            )
            try:
                chunk = self.sock.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                raise Late from None
            except OSError:
                raise Closed from None
            if not chunk:
                raise Closed
            data += chunk
        return data


def encode(value: Plain) -> tuple[Any, list[bytes]]:
    """Plain data as a JSON tree and the bytes of its tensors.

    Raises:
        Broken: if a part cannot travel (a sparse tensor, a number of 10,000 digits).

    >>> encode((torch.zeros(2), [1, None]))[0]
    {'tuple': [{'tensor': 0, 'dtype': 'float32', 'shape': [2]}, {'list': [1, None]}]}
    """
    blobs: list[bytes] = []
    return _encode(value, blobs, DEPTH), blobs


def _encode(value: Any, blobs: list[bytes], depth: int) -> Any:
    if depth == 0:
        raise Broken(f"it is nested more than {DEPTH} levels deep")
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is int:
        if value.bit_length() > 1024:
            raise Broken("it holds a whole number of more than 300 digits")
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype not in _DTYPES or value.layout != torch.strided or value.is_meta:
            raise Broken(f"it holds a tensor that cannot be sent ({value.dtype}, {value.layout})")
        flat = value.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
        blobs.append(flat.view(torch.uint8).numpy().tobytes())
        return {"tensor": len(blobs) - 1, "dtype": dtype, "shape": list(value.shape)}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_encode(item, blobs, depth - 1) for item in value]}
    if isinstance(value, dict):
        items = [[str(key), _encode(item, blobs, depth - 1)] for key, item in value.items()]
        return {"dict": items}
    raise Broken(f"it holds a {type(value).__name__}")


def decode(tree: Any, blobs: list[bytearray]) -> Plain:
    """Plain data from a JSON tree and its blobs. Raises `Broken` if anything does not fit."""
    try:
        return _decode(tree, blobs, DEPTH)
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, AttributeError) as error:
        raise Broken(f"a message is damaged: {type(error).__name__}") from None


def _decode(tree: Any, blobs: list[bytearray], depth: int) -> Plain:
    if depth == 0:
        raise Broken("a message is nested too deeply")
    if tree is None or type(tree) in (bool, int, float, str):
        return tree
    if type(tree) is not dict:
        raise Broken("a message is damaged")
    if "tensor" in tree:
        return _tensor(tree, blobs)
    ((kind, content),) = tree.items()
    if kind == "float":
        if content not in ("nan", "inf", "-inf"):
            raise Broken("a message is damaged")
        return float(content)
    if kind == "dict":
        return {str(key): _decode(item, blobs, depth - 1) for key, item in content}
    if kind in ("list", "tuple") and type(content) is list:
        items = [_decode(item, blobs, depth - 1) for item in content]
        return items if kind == "list" else tuple(items)
    raise Broken("a message is damaged")


def _tensor(tree: dict, blobs: list[bytearray]) -> Tensor:
    dtype, shape, index = _DTYPES[tree["dtype"]], tree["shape"], tree["tensor"]
    if type(index) is not int or index < 0 or not all(type(s) is int and s >= 0 for s in shape):
        raise Broken("a message is damaged")
    blob = blobs[index]
    if math.prod(shape) * dtype.itemsize != len(blob):
        raise Broken("a tensor's shape does not fit its bytes")
    if not blob:
        return torch.empty(shape, dtype=dtype)
    flat = torch.frombuffer(blob, dtype=torch.uint8)
    flat = flat != 0 if dtype == torch.bool else flat.view(dtype)
    return flat.reshape(shape)


def pack(value: Any) -> bytes:
    """Trusted arguments, on their way to the child: networks, laws, tensors with their strides."""
    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
    return file.getvalue()


def unpack(data: bytes) -> Any:
    """What `pack` made; for the child only."""
    return pickle.loads(data)


class _Pickler(pickle.Pickler):
    """Tensors travel as their bytes, which takes a tenth of the time of torch's own way."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor or value.requires_grad or not value.numel():
            return NotImplemented
        storage = torch.empty(0, dtype=torch.uint8).set_(value.untyped_storage()).numpy()
        place = tuple(value.shape), value.stride(), value.storage_offset()
        return _rebuild, (storage.tobytes(), value.dtype, *place)


def _rebuild(data: bytes, dtype: torch.dtype, *place: Any) -> Tensor:
    return torch.frombuffer(bytearray(data), dtype=dtype).as_strided(*place)
