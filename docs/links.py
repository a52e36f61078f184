"""Checks that every relative link in the project's Markdown resolves, its anchor included.

    python docs/links.py

Links to other sites are left alone, because the check runs offline.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

PROJECT = Path(__file__).parent.parent

_FENCED_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*$", re.MULTILINE)
_OTHER_SITE = re.compile(r"[a-z][a-z0-9+.-]*:")


def broken_links(page: Path) -> Iterator[str]:
    """Each link of a page whose file or anchor does not exist, as `page: target`."""
    text = _FENCED_CODE.sub("", page.read_text())
    for link in _LINK.finditer(text):
        target = link["target"] or link["image"]
        if _OTHER_SITE.match(target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            yield f"{page.relative_to(PROJECT)}: {target}"


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    text = _FENCED_CODE.sub("", page.read_text())
    return {_slug(heading["title"]) for heading in _HEADING.finditer(text)}


def _slug(title: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def main() -> int:
    """Print every broken link; 1 if there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],  # noqa: S607 - git from the PATH
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    pages = [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).exists()]
    broken = [link for page in pages for link in broken_links(page)]
    for link in broken:
        print(f"broken link in {link}")
    print(f"{len(pages)} pages, {len(broken)} broken links")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
