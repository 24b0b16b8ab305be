"""python -m lectures.website [OUT] [--root ROOT]: build the site into OUT, and check it."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from lectures.website import check, stage

HERE = Path(__file__).parent


def sphinx(source: Path, out: Path) -> int:
    from sphinx.cmd.build import build_main

    doctrees = source.parent / f"{source.name}.doctrees"
    shutil.rmtree(doctrees, ignore_errors=True)
    # warnings are errors: a link or a picture that is not there, a formula that KaTeX cannot read
    options = ["-q", "-W", "--keep-going", "-b", "html", "-c", str(HERE), "-d", str(doctrees)]
    return build_main([*options, str(source), str(out)])


def main() -> int:
    root = HERE.parents[1]
    parser = argparse.ArgumentParser(prog="python -m lectures.website", description=__doc__)
    parser.add_argument("out", nargs="?", type=Path, default=root / "build" / "site")
    parser.add_argument("--root", type=Path, default=root, help="the folder of the course")
    asked = parser.parse_args()
    out = asked.out.resolve()
    source = out.with_name(f"{out.name}-source")
    begun = time.perf_counter()
    for folder in (source, out):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        figures = stage.stage(asked.root.resolve(), source)
    except stage.Unfit as problem:
        print(problem, file=sys.stderr)
        return 1
    if sphinx(source, out):
        print("Sphinx warned (above), so the site is not fit to be shown.", file=sys.stderr)
        return 1
    complaints, sizes = check.check(out, figures)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    if complaints:
        return 1
    heaviest = max(sizes, key=sizes.__getitem__)
    print(
        f"{out / 'index.html'}: {len(sizes)} pages and {sum(figures.values())} figures "
        f"in {time.perf_counter() - begun:.0f} s; the heaviest page is {heaviest} "
        f"with {sizes[heaviest] / 1e6:.2f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
