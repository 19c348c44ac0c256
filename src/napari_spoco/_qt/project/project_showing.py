"""Shows what was read of a project, a layer in each turn of the event loop: napari takes long for every one of them.

What was open last is there afterwards, and of all that only the image that was chosen last can be seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt.notices import Notice
from napari_spoco._qt.project.project_bar import MORE_IS_KEPT
from napari_spoco._qt.project.project_folders import count
from napari_spoco._qt.project.project_layers import bring_to_front, show_opened

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Mapping

    import napari.viewer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotated_images import AnnotatedImages
    from napari_spoco._qt.project.project_forms import ProjectForms
    from napari_spoco._qt.project.project_job import ClosedImage, OpenedProject
    from napari_spoco._qt.project.project_layers import KeptLayers
    from napari_spoco._qt.project.project_watch import ProjectWatch
    from napari_spoco._qt.project.project_writer import ProjectWriter

_MILLISECONDS = 10
"""Between two layers, for what the user does meanwhile."""


class ProjectShowing(QObject):
    """Shows one thing at a time; `ended` follows, unless it is stopped.

    Parameters
    ----------
    viewer, images, annotate, forms
        Where it is shown.
    watch
        Takes no notice of layers until all are there.
    """

    opened = Signal(object)  # OpenedProject, of which everything is on show
    ended = Signal()
    failed = Signal()
    noticed = Signal(object)  # Notice

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        images: AnnotatedImages,
        annotate: AnnotateTab,
        forms: ProjectForms,
        watch: ProjectWatch,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._images, self._annotate = viewer, images, annotate
        self._forms, self._watch = forms, watch
        self._steps: Generator[None, None, None] | None = None
        self._writer: ProjectWriter | None = None  # of a project that is nobody's yet
        self._timer = QTimer(self)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timeout)

    @property
    def is_running(self) -> bool:
        """Whether there is something still to be shown."""
        return self._steps is not None

    def show_project(self, opened: OpenedProject) -> None:
        """Show a project."""
        self._writer = opened.writer
        self._begin(self._show_project(opened))

    def show_closed(self, closed: ClosedImage, writer: ProjectWriter) -> None:
        """Show what had been removed of an image of the present project; where another one is worked on, that stays."""
        self._begin(self._show_closed(closed, writer))

    def stop(self) -> None:
        """Leave the other layers out, and let the project be."""
        self._timer.stop()
        if self._steps is not None:
            self._steps.close()
        self._steps = None
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _begin(self, steps: Generator[None, None, None]) -> None:
        self._steps = steps
        self._timer.start()

    def _on_timeout(self) -> None:
        if self._steps is None:
            return
        try:
            next(self._steps)
            self._timer.start()
        except StopIteration:
            self._steps = None
            self.ended.emit()
        except BaseException:
            self.stop()
            self.failed.emit()
            raise

    def _show_project(self, opened: OpenedProject) -> Generator[None, None, None]:
        with self._watch.paused():
            shown = yield from show_opened(self._viewer, opened.images, opened.writer)
            while not self._forms.may_show:  # The next save would write what is in use now over the project's model.
                yield
            self._forms.show(opened)
            name = opened.chosen if opened.chosen in shown else next(iter(shown), None)
            hidden = {item.entry.name: item.entry.hidden for item in opened.images}
            if name is not None:
                self._bring_to_front(shown[name], {kept: hidden[name] for name, kept in shown.items()})
        self._writer = None
        self.opened.emit(opened)
        self._follow()
        many = count(len({kept.image for kept in shown.values()}), "image")
        also = filter(None, (MORE_IS_KEPT if opened.n_closed else "", opened.interrupted))
        text = f"{opened.writer.name or 'What was open without a project'}: {many} restored."
        self._say(" ".join((text, *also)), opened.problems)

    def _show_closed(self, closed: ClosedImage, writer: ProjectWriter) -> Generator[None, None, None]:
        current, selection = self._annotate.image.layer(), self._viewer.layers.selection
        selected = set(selection)
        with self._watch.paused():
            shown = yield from show_opened(self._viewer, (closed.image,), writer)
            is_beside = current is not None and all(kept.image != current for kept in shown.values())
            for kept in () if is_beside else shown.values():
                self._bring_to_front(kept, {kept: ()})
            if is_beside:  # napari selects what it adds; the keys of a review, or the brush, are those of a layer.
                selection.symmetric_difference_update(set(selection) ^ (selected & set(self._viewer.layers)))
        self._follow()
        hidden = f", hidden: “{current.name}” is on show" if is_beside and shown else ""
        is_back = shown or closed.image.annotations is not None  # Without its image nothing else can be.
        self._say(f"“{closed.text}” is back{hidden}." if is_back else "", closed.problems)

    def _bring_to_front(self, kept: KeptLayers, hidden: Mapping[KeptLayers, Container[str]]) -> None:
        """Show the image of some layers, with all that belongs to it but for what the user had hidden."""
        self._images.choose(kept.image)
        if kept.annotations is not None:
            self._annotate.annotations.choose(kept.annotations)
        others = (other for other in hidden if other is not kept and other.image is kept.image)
        for other in (*others, kept):
            bring_to_front(self._viewer, other, hidden[other])

    def _follow(self) -> None:
        """Take notice of new layers; what was painted into them meanwhile is found by comparison."""
        self._watch.follow()
        self._watch.note_unsaved()

    def _say(self, text: str, problems: tuple[str, ...]) -> None:
        self.noticed.emit(Notice(" ".join(filter(None, (text, *problems))), "bad" if problems else "good"))
