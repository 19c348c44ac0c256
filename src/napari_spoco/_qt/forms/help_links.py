"""What the "?" opens: the section of the documentation about a tab, in the browser.

The pages come with the plugin and are turned into HTML when one is asked for, so they are those of this version, and
there is no need for a network.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from qtpy.QtCore import QStandardPaths, Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QToolButton

from napari_spoco._qt.tabs import Tabs
from napari_spoco.data.writers import atomic_path


class Place(NamedTuple):
    """A page of the documentation, and a heading on it."""

    page: str
    heading: str


PLACES = {
    "Annotate": Place("tutorial", "2. Paint a few objects"),
    "Train": Place("tutorial", "3. Train"),
    "Embeddings": Place("tutorial", "5. Look closer, and pick"),
    "Segment": Place("tutorial", "4. Segment"),
    "Review": Place("tutorial", "6. Review and correct"),
    "Export": Place("tutorial", "7. Export"),
    "Batch": Place("command-line", "Batch"),
}
"""By the titles of the tabs."""
_STYLE = (
    "body { max-width: 46em; margin: 2em auto; padding: 0 1em; font-family: sans-serif; line-height: 1.5 } "
    "img { max-width: 100% } table { border-collapse: collapse } td, th { border: 1px solid #999; padding: .2em .5em } "
    "@media (prefers-color-scheme: dark) { body { background: #222; color: #ddd } a { color: #8cf } }"
)


def docs_folder() -> Path:
    """Return the folder of the pages: inside the installed package, or beside the source of a checkout."""
    package = Path(__file__).parents[2]
    return next((folder for folder in (package / "docs", package.parents[1] / "docs") if folder.is_dir()), package)


def anchor(heading: str) -> str:
    """Return the name that a heading goes by in a link: "2. Paint it" is "2-paint-it"."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def render(page: Path) -> str:
    """Return a page as HTML, in which every heading can be linked to; pictures are where they were.

    Raises
    ------
    OSError
        The page cannot be read.
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark").enable("table")
    tokens = markdown.parse(page.read_text(encoding="utf-8"))
    for token, inline in pairwise([*tokens, None]):
        if token.type == "heading_open":
            token.attrSet("id", anchor(inline.content))
        for child in token.children or ():
            if child.type == "image":
                child.attrSet("src", (page.parent.resolve() / str(child.attrGet("src"))).as_uri())
    body = markdown.renderer.render(tokens, markdown.options, {})
    return f"<!doctype html><meta charset='utf-8'><title>SPOCO</title><style>{_STYLE}</style>{body}"


def open_help(tab: str) -> None:
    """Open what is written about a tab in the browser.

    Raises
    ------
    OSError
        The documentation is not there, or cannot be opened.
    """
    place = PLACES[tab]
    cache = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericCacheLocation)
    path = Path(cache) / "napari-spoco" / f"{place.page}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path, flush=False) as temporary:
        temporary.write_text(render(docs_folder() / f"{place.page}.md"), encoding="utf-8")
    url = QUrl.fromLocalFile(str(path))
    url.setFragment(anchor(place.heading))
    if not QDesktopServices.openUrl(url):
        raise OSError(f"No browser could be opened; the page is {path}.")


class HelpButton(QToolButton):
    """Opens what is written about the tab on show; `failed` brings the exception where that cannot be."""

    failed = Signal(object)  # Exception

    def __init__(self, tabs: Tabs) -> None:
        super().__init__()
        self._tabs = tabs
        self.setText("?")
        self.setToolTip("Read about this tab, in the browser.")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        try:
            open_help(self._tabs.current_title)
        except OSError as error:
            self.failed.emit(error)
