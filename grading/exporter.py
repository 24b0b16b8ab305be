"""How submissions enter nbgrader: every folder becomes a notebook that it can digest."""

import glob
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import parse_utc

from grading import hygiene
from grading.course import Course
from grading.submission import find, read

_TIMESTAMP = "timestamp.txt"


class SubmissionExporter(NotebookExporter):
    """Reads a submission with `grading.submission` in the place of nbformat.

    The release comes out, with the student's answers in it; a corrupt or missing file gets zero
    points and a reason, and the batch goes on. nbgrader's Autograde makes its exporter before it
    touches a submission, so this is also where it is kept from copying what lies beside a notebook
    (it follows links) and from stopping at a folder without the notebook, or with an odd name.
    """

    def __init__(self, config: Any = None, **kwargs: Any):
        super().__init__(config=config, **kwargs)
        if isinstance(self.parent, Autograde):
            _guard(self.parent)

    def from_filename(
        self, filename: str, resources: Any = None, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        course = Course(Path(CourseDirectory(parent=self).root))
        unit, student = resources["nbgrader"]["assignment"], resources["nbgrader"]["student"]
        path = Path(filename)
        data, notes = find(path.parent, unit)
        nb: NotebookNode = read(data, course.release(unit).read_bytes(), notes).nb
        if path.parent == course.submitted(unit, student):
            _copy_timestamp(path.parent, course.folder / "autograded" / student / unit)
        resources["metadata"] = {"name": path.stem, "path": str(path.parent), "modified_date": ""}
        return self.from_file(io.StringIO(nbformat.writes(nb)), resources=resources, **kwargs)


def _guard(converter: Autograde) -> None:
    """Keep a converter, which is about to start, away from whatever else students handed in."""
    old = converter.coursedir
    converter.coursedir = guarded = _Folders(config=old.config)
    for name in CourseDirectory.class_trait_names(config=True):
        setattr(guarded, name, getattr(old, name))
    guarded.ignore = ["*"]
    unit = guarded.assignment_id
    converter.assignments = {}
    for folder in glob.glob(converter._format_source(unit, guarded.student_id)):
        student = Path(folder).parent.name
        if hygiene.is_name(student):
            converter.assignments[folder] = [str(Path(folder, f"{unit}.ipynb"))]
        else:
            converter.log.error("Not graded: nobody can be called %s", hygiene.code(student))


class _Folders(CourseDirectory):
    def get_existing_timestamp(self, dest_path: str) -> datetime | None:
        """The time in `timestamp.txt`, if that is a plain file.

        Raises:
            ValueError: if it says something else; nbgrader reports it, and goes on with the next.
        """
        from grading.results import regular

        data = regular(Path(dest_path, _TIMESTAMP), 1 << 10) or b""
        text = data.decode(errors="replace").strip()
        return parse_utc(text) if text else None


def _copy_timestamp(source: Path, target: Path) -> None:
    """nbgrader compares the two, to see what was handed in anew."""
    from grading.results import regular

    if (data := regular(source / _TIMESTAMP, 1 << 10)) is not None:
        target.mkdir(parents=True, exist_ok=True)
        (target / _TIMESTAMP).unlink(missing_ok=True)
        (target / _TIMESTAMP).write_bytes(data)
