"""Whether this machine can grade, and safely: one finding per thing that grading needs."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from grading import probe
from grading.course import Course
from grading.sandbox import Finding


def findings(course: Course) -> Iterator[Finding]:
    """Each thing that grading needs, tried for real; nothing of the class is changed."""
    yield from probe.findings()
    for program, why in (
        ("nbgrader", "grading, formgrader and feedback"),
        ("alembic", "nbgrader calls it"),
    ):
        yield _program(program, why)
    yield _folder(course)
    yield _gradebook(course)


def table(found: list[Finding]) -> str:
    """
    >>> print(table([Finding("bubblewrap", True, "0.8.0"), Finding("disk", False, "full")]))
    ✓  bubblewrap  0.8.0
    ✗  disk        full
    """
    width = max(len(f.name) for f in found)
    return "\n".join(f"{'✓' if f.ok else '✗'}  {f.name:<{width}}  {f.says}" for f in found)


def _program(name: str, why: str) -> Finding:
    if path := shutil.which(name):
        return Finding(name, True, path)
    if path := shutil.which(name, path=str(Path(sys.executable).parent)):
        says = f"{path}; not on PATH, so activate the environment before you call it yourself"
        return Finding(name, True, says)
    return Finding(name, False, f"not found ({why}); pip install -e '.[grading]'")


def _folder(course: Course) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=course.folder) as file:
            file.write(b"x" * (1 << 20))
            file.flush()
    except OSError as error:
        return Finding("class folder", False, f"{course.folder}: {error.strerror}")
    free = shutil.disk_usage(course.folder).free >> 20
    says = f"{course.folder}: writable, {free:,} MB free"
    return Finding("class folder", free > 500, says)


def _gradebook(course: Course) -> Finding:
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.engine import make_url

    try:
        url = make_url(course.database)
        if url.get_backend_name() == "sqlite" and not os.path.exists(url.database or ""):
            return Finding("gradebook", True, f"{url.database}: not there yet, will be made")
        engine = create_engine(url)
        try:
            tables = len(inspect(engine).get_table_names())
        finally:
            engine.dispose()
    except Exception as error:  # a driver that is missing, a server that is down, a damaged file
        return Finding(
            "gradebook", False, f"{type(error).__name__}: {str(error).split(chr(10))[0]}"
        )
    return Finding("gradebook", True, f"{url.render_as_string()}: opens, {tables} tables")
