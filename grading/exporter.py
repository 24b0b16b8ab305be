"""How submissions enter nbgrader: every file becomes a notebook that it can digest."""

import io
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.coursedir import CourseDirectory

from grading.course import Course
from grading.submission import read


class SubmissionExporter(NotebookExporter):
    """Reads a submission with `grading.submission.read` in the place of nbformat.

    A corrupt or missing file is replaced by the release with a note on top, so it gets zero points
    and a reason, and the batch goes on.
    """

    def from_filename(
        self, filename: str, resources: Any = None, **kwargs: Any
    ) -> tuple[str, dict[str, Any]]:
        course = Course(Path(CourseDirectory(parent=self).root))
        unit = resources["nbgrader"]["assignment"]
        path = Path(filename)
        data = path.read_bytes() if path.is_file() else None
        nb: NotebookNode = read(data, course.release(unit).read_bytes()).nb
        resources["metadata"] = {"name": path.stem, "path": str(path.parent), "modified_date": ""}
        return self.from_file(io.StringIO(nbformat.writes(nb)), resources=resources, **kwargs)
