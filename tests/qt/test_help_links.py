"""The "?": it opens the section about the tab on show, and every section that it leads to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices

from napari_spoco._qt.forms import help_links
from napari_spoco._qt.forms.help_links import PLACES, anchor, docs_folder, render


@pytest.fixture
def opened(monkeypatch) -> list[QUrl]:
    urls: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: urls.append(url) or True)
    return urls


@pytest.mark.parametrize(
    ("heading", "name"),
    [("3. Train", "3-train"), ("5. Look closer, and pick", "5-look-closer-and-pick"), ("How fast", "how-fast")],
)
def test_headings_are_linked_to_as_everywhere(heading, name) -> None:
    assert anchor(heading) == name


@pytest.mark.parametrize("title", PLACES)
def test_every_section_exists(title) -> None:
    place = PLACES[title]
    html = render(docs_folder() / f"{place.page}.md")
    assert html.count(f'id="{anchor(place.heading)}"') == 1
    for url in re.findall(r'src="([^"]+)"', html):
        assert Path(QUrl(url).toLocalFile()).is_file()


def test_every_tab_has_a_section_of_its_own() -> None:
    assert len(set(PLACES.values())) == len(PLACES)


def test_tables_and_headings_become_html(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n![picture](a b.png)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", encoding="utf-8")
    html = render(page)
    assert '<h1 id="title">Title</h1>' in html
    assert "<td>1</td>" in html
    assert (tmp_path / "a b.png").as_uri() in html or "![picture]" in html


def test_the_button_leads_to_the_tab_on_show(spoco, opened, qtbot, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(help_links.QStandardPaths, "writableLocation", lambda _: str(tmp_path))
    assert {*PLACES} == {spoco.tabs.tabText(index) for index in range(spoco.tabs.count())}
    for index in range(spoco.tabs.count()):
        spoco.tabs.setCurrentIndex(index)
        qtbot.mouseClick(spoco.help, Qt.MouseButton.LeftButton)
    assert [url.fragment() for url in opened] == [anchor(place.heading) for place in PLACES.values()]
    assert all(Path(url.toLocalFile()).is_file() for url in opened)


def test_where_it_cannot_be_opened_that_is_said(spoco, qtbot, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(help_links.QStandardPaths, "writableLocation", lambda _: str(tmp_path))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: False)
    spoco.help.click()
    assert spoco.footer.text.startswith("No browser could be opened; the page is ")
    monkeypatch.setattr(help_links, "docs_folder", lambda: tmp_path / "nowhere")
    spoco.help.click()
    assert "No such file" in spoco.footer.text
