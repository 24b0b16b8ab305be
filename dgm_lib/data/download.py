"""Files that are too big to ship: found on disk, or downloaded once and checked.

A file is looked for in `$DGM_DATA`, then in the cache (`$XDG_CACHE_HOME/dgm`, by default
`~/.cache/dgm`), and else downloaded into the cache: to a temporary name, compared with its
SHA-256, and moved into place in one step, so the cache never holds half a file.
"""

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import numpy as np

Parse = Callable[[Path], np.ndarray]


class DataError(RuntimeError):
    """A data file is missing, cannot be downloaded, or is damaged; the message says what to do."""


class Source(NamedTuple):
    """One file of a data set.

    Args:
        folder: its folder in `$DGM_DATA` and in the cache.
        names: file names that are accepted, in order of preference; the first is downloaded.
        url: where the first one comes from.
        sha256: of the file, or of its values (the same table circulates in several formats).
    """

    folder: str
    names: tuple[str, ...]
    url: str
    sha256: str


def fetch(source: Source, parse: Parse) -> np.ndarray:
    """The values in the file, wherever it is.

    A file in `$DGM_DATA` is the user's: it is accepted if `parse` understands it, and is never
    touched. A file in the cache must match the checksum too; a damaged one is moved aside.

    Raises:
        DataError: no file and no way to download it, or a damaged file.
    """
    own = os.environ.get("DGM_DATA")
    if own and (path := _find(Path(own).expanduser() / source.folder, source.names)):
        try:
            return parse(path)
        except Exception as error:
            raise DataError(f"{path} is damaged ({error}); replace or remove it") from error
    folder = _cache() / source.folder
    path = _find(folder, source.names) or _download(source, folder)
    try:
        values = parse(path)
        if source.sha256 not in (_sha256(path), hashlib.sha256(values.tobytes()).hexdigest()):
            raise ValueError("its checksum is wrong")
    except Exception as error:
        aside = path.with_name(path.name + ".damaged")
        os.replace(path, aside)
        raise DataError(
            f"{path} is damaged ({error}). It is now {aside.name}; run again to download it anew, "
            f"or put the file there yourself"
        ) from error
    return values


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dgm"


def _find(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(source: Source, folder: Path) -> Path:
    """Fetch the whole file beside its final place, then rename it."""
    path, part = folder / source.names[0], None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(source.url, timeout=30) as answer,
            tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file,
        ):
            part = Path(file.name)
            size, got = answer.headers.get("Content-Length"), 0
            while block := answer.read(1 << 20):
                got += file.write(block)
            if size is not None and got != int(size):
                raise OSError(f"the connection broke after {got} of {size} bytes")
        os.replace(part, path)
    except (OSError, HTTPException) as error:
        raise DataError(
            f"cannot download {source.url} ({error}). Without network, put the file at "
            f"{path} or at $DGM_DATA/{source.folder}/{source.names[0]}"
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return path
