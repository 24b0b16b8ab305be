"""What must not be in a finished site. Works on the HTML alone, so it doubts whoever built it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

HEAVIEST = 2_000_000
"""Bytes of a page with its own pictures; style sheets and scripts are shared by all pages."""

RAW_MATHS = re.compile(r"\$[^$\n]+\$|\\\(|\\\[|\\begin\{|\\[a-zA-Z]{2,}\b")
ELSEWHERE = re.compile(r"^(https?:)?//")
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
KEEPS_TEX = {"script", "style", "code", "pre", "title"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """One pass over a page: its links, its places, its pictures, its text, what it loads."""

    def __init__(self, html: str):
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.images: list[tuple[str, str]] = []  # source and alternative text
        self.figures = 0  # images among the outputs of cells
        self.faults: list[str] = []
        self._open: list[tuple[str, str]] = []  # tags around what is being read, and their classes
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.places |= {has["id"]} if "id" in has else set()
        if tag == "a" and "name" in has:
            self.places.add(has["name"])
        if tag in ("a", "link") and "href" in has:
            self.links.append(has["href"])
        if tag == "img":
            self.images.append((has.get("src", ""), has.get("alt", "")))
            self.figures += any("cell_output" in classes.split() for _, classes in self._open)
        address = has.get(LOADS.get(tag, ""), "")
        if ELSEWHERE.match(address) and has.get("rel") not in ("canonical", "author"):
            self.faults.append(f"fetches {address}")
        if "katex-error" in has.get("class", ""):
            self.faults.append(f"unreadable formula: {has.get('title', '')}")
        if tag not in VOID:
            self._open.append((tag, has.get("class", "")))

    def handle_endtag(self, tag: str) -> None:
        while any(tag == name for name, _ in self._open):
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        raw = RAW_MATHS.search(data)
        if raw and not any(name in KEEPS_TEX for name, _ in self._open):
            self.faults.append(f"raw maths {raw[0]!r} in {data.strip()[:80]!r}")


def pages(site: Path) -> list[str]:
    names = (path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return sorted(name for name in names if not name.startswith("_"))  # the theme keeps templates


def check(site: Path, figures: dict[str, int]) -> tuple[list[str], dict[str, int]]:
    """All complaints about a site, each naming its page, and the bytes of each page.

    Args:
        site: the folder with index.html.
        figures: how many figures a page must show, by the page's path.
    """
    site = site.resolve()
    read = {name: Page((site / name).read_text(encoding="utf-8")) for name in pages(site)}
    complaints = [f"{name}: no such page" for name in figures if name not in read]
    sizes = {}
    for name, page in read.items():
        found = [*page.faults, *links(site, name, read), *pictures(site, name, page)]
        if name in figures and page.figures != figures[name]:
            found.append(f"shows {page.figures} figures of {figures[name]}")
        sizes[name] = weight(site, name, page)
        if sizes[name] > HEAVIEST:
            found.append(f"{sizes[name] / 1e6:.2f} MB, more than {HEAVIEST / 1e6:.0f} MB")
        complaints += [f"{name}: {what}" for what in found]
    for path in sorted(site.rglob("*.css")):
        for url in re.findall(r"url\(\s*['\"]?([^'\")]+)", path.read_text(encoding="utf-8")):
            name = path.relative_to(site).as_posix()
            if ELSEWHERE.match(url):
                complaints.append(f"{name}: fetches {url}")
            elif not url.startswith(("data:", "#")) and not _goal(site, name, url)[0].is_file():
                complaints.append(f"{name}: missing {url}")
    return complaints, sizes


def _goal(site: Path, page: str, link: str) -> tuple[Path, str] | None:
    """The file and the place in it that a link of a page means; None for another site."""
    if urlsplit(link).scheme or link.startswith("//"):
        return None
    path, place = urldefrag(link)
    path = unquote(urlsplit(path).path)
    goal = ((site / page).parent / path).resolve() if path else site / page
    return (goal / "index.html" if goal.is_dir() else goal), unquote(place)


def links(site: Path, name: str, read: dict[str, Page]) -> list[str]:
    found = []
    for link in read[name].links:
        goal = _goal(site, name, link)
        if goal is None:
            continue
        path, place = goal
        if not path.is_file():
            found.append(f"broken link {link}")
        elif place and path.suffix == ".html":
            target = read.get(path.relative_to(site).as_posix())
            if target and place not in target.places:
                found.append(f"broken link {link}: no such place on that page")
    return found


def pictures(site: Path, name: str, page: Page) -> list[str]:
    found = []
    for source, alt in page.images:
        goal = None if source.startswith("data:") else _goal(site, name, source)
        if goal and not (source and goal[0].is_file() and goal[0].stat().st_size):
            found.append(f"missing picture {source!r}")
        if not alt.strip():
            found.append(f"no alternative text: {source[:80]}")
    return found


def weight(site: Path, name: str, page: Page) -> int:
    goals = [_goal(site, name, source) for source, _ in page.images]
    files = {site / name, *(goal[0] for goal in goals if goal and goal[0].is_file())}
    return sum(path.stat().st_size for path in files)
