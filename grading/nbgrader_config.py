"""nbgrader's settings for this course; see grading/course.py.

    cd grading && ../.venv/bin/nbgrader autograde 04_boltzmann

From elsewhere, point Jupyter's configuration path here: JUPYTER_CONFIG_PATH=grading.
"""

import sys
import warnings
from pathlib import Path

root = Path(__file__).resolve().parents[1]
if str(root) not in sys.path:
    sys.path.append(str(root))

from grading.course import Course  # noqa: E402

c = get_config()
c.merge(Course(root).config())

# SQLAlchemy has its doubts about nbgrader's models, on every submission.
warnings.filterwarnings("ignore", message="Object of type .* not in session")
