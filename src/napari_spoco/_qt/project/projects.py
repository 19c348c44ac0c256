"""The project of the window: what is on show is saved as it changes, and comes back when the project is opened.

Every session has a project; one that the user has not named lies in the user's data. What was open last is offered at
the next start, whether it has a name or not.
The cycle of a save:

1. Whatever changes calls `touch`; painted layers are noted. A timer waits for two seconds, or ten times as long as the
   last save took, at most a minute.
2. A frozen `KeptSession` is taken on the event loop: references to the pixels that may have changed, nothing copied.
3. A thread copies, compares and writes it (`project_writer`); one at a time, and in turn with making and opening.
4. Layers that leave the viewer are saved as they were when they left. On closing, a thread of its own saves the rest:
   it is no daemon, so that the interpreter waits for it.
5. A project takes its layers away when it is closed, or another one is opened, but not before all is saved: what was
   touched meanwhile is saved first, and what cannot be saved stays.

What an earlier session left stays on offer, at every start, until it is restored or declined. Whoever paints meanwhile
and restores then has both in one project; the one that was is given up only when all of it has been saved there.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_spoco._qt import paths
from napari_spoco._qt.layers import layers
from napari_spoco._qt.notices import Notice
from napari_spoco._qt.project import project_job
from napari_spoco._qt.project.project_bar import ProjectBar
from napari_spoco._qt.project.project_folders import (
    LeftProject,
    ProjectFolders,
    look_around,
    note_answered,
    note_open,
)
from napari_spoco._qt.project.project_job import ClosedImage, MadeProject, OpenedProject
from napari_spoco._qt.project.project_session import KeptSession, Saved
from napari_spoco._qt.project.project_showing import ProjectShowing
from napari_spoco._qt.project.project_watch import ProjectWatch
from napari_spoco._qt.project.project_writer import ProjectWriter
from napari_spoco._qt.project.removed_layers import RemovedLayers
from napari_spoco._qt.project.work_queue import WorkQueue
from napari_spoco._qt.session import SessionState

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

    from napari_spoco._qt.annotate.annotate_tab import AnnotateTab
    from napari_spoco._qt.annotate.annotated_images import AnnotatedImages
    from napari_spoco._qt.controller import SessionController
    from napari_spoco._qt.project.project_forms import ProjectForms
    from napari_spoco._qt.project.removed_layers import Removed
    from napari_spoco._qt.project.work_queue import Wish, Work

_MILLISECONDS = 2000
_PATIENCE = 10
"""The pause between two saves is at least so many times as long as a save."""
_LONGEST_MILLISECONDS = 60_000
"""The pause is no longer than this, however slow the disk is: so much painting can be lost."""


class Projects(QObject):
    """Saves and opens.

    Parameters
    ----------
    viewer, images, annotate, session
        What is saved, and restored.
    forms
        Settings and model of the window.
    models_folder
        Where trainings go without a project; what is painted without one is kept beside it.
    """

    noticed = Signal(object)  # Notice
    failed = Signal(object)  # Exception
    left = Signal(object)  # identities of layers that the user has removed, and that are kept
    switched = Signal()  # whether a project is being opened or closed

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        images: AnnotatedImages,
        annotate: AnnotateTab,
        session: SessionController,
        forms: ProjectForms,
        models_folder: Path,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._images, self._annotate, self._session = viewer, images, annotate, session
        self._forms, self._models_folder = forms, models_folder
        self._folders = ProjectFolders(models_folder.parent)
        self._writer = self._untitled_writer()
        self._watch = ProjectWatch(viewer, images, parent=self)
        self._removed = RemovedLayers(self._watch, lambda: self._writer, self._is_training, parent=self)
        self._problems: tuple[str, ...] = ()
        self._untitled: list[LeftProject] = []
        self._offer: LeftProject | None = None
        self._joined: list[Path] = []  # projects without a name whose layers the next save writes into the present one
        self._is_released = self._is_touched = False
        self.is_switching = False  # From the wish to open or close a project until nothing is left to be done.
        self._status = ("", "")
        self._last = KeptSession((), None, None, None, None, None, None)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._showing = ProjectShowing(viewer, images, annotate, forms, self._watch, parent=self)
        self._jobs = WorkQueue(lambda: self._showing.is_running, parent=self)
        self.bar = ProjectBar()
        self._connect()
        self._jobs.add(lambda: (self._on_looked_around, look_around, (self._folders,)))

    @property
    def folder(self) -> Path | None:
        """Folder of the project, if the user has named one."""
        return None if self._writer.is_untitled else self._writer.folder

    def new_run_folder(self, image_name: str) -> str:
        """Return the folder for a training: one of the project, or of the user's data. Raises OSError."""
        project = self._writer.project
        if self._writer.is_untitled or project is None:
            return str(paths.new_run_folder(self._models_folder, image_name))
        return str(project.new_run())

    def is_brought_back(self, removed: Layer, layer: Layer) -> bool:
        """Say whether a layer shows what the project has of another one, of annotations or objects."""
        name, other = (self._writer.name_of(layers.identity(one), None) for one in (removed, layer))
        return name is not None and name == other

    def touch(self) -> None:
        """Something may have changed: save it in a moment."""
        has_something = self._watch.has_something or self._writer.project is not None
        if has_something and not self._is_released:
            self._is_touched = True
            if not self._timer.isActive():
                self._timer.start()

    def make(self, folder: str) -> None:
        """Make a project of what is open."""
        self._jobs.add(lambda: (self._on_made, project_job.make, (folder, self._writer, self._take(everything=True))))

    def open(self, folder: str | Path, *, is_untitled: bool = False) -> None:
        """Open a project in place of the present one; what is open without one becomes part of it."""
        if self._is_refused():
            return
        self.bar.show_offer(None)
        self._say_restoring("what was open without a project" if is_untitled else f"“{Path(folder).name}”")
        self._switch(partial(self._begin_opening, folder, is_untitled))

    def close(self) -> None:
        """Save the project, take its layers away, and go on without one."""
        if not self._is_refused():
            self._switch(self._begin_closing)

    def release(self) -> None:
        """Save what is left, and let go of the viewer."""
        self._is_released = True
        self._timer.stop()
        self._jobs.drop()
        self._showing.stop()
        self._removed.stop()
        last = self._take(everything=True)
        self._watch.release()
        self._finish(last)

    def finish_left(self) -> None:
        """Save what is left when the window was destroyed unasked: what Qt has of it is gone, its layers are not."""
        self._finish(replace(self._last, images=self._watch.take(everything=True)))

    # Signals

    def _connect(self) -> None:
        self._timer.timeout.connect(self._save)
        self._jobs.failed.connect(self._on_job_failed)
        self._jobs.rested.connect(self._on_rested)
        self._jobs.unclaimed.connect(self._on_unclaimed)
        self._showing.ended.connect(self._jobs.go_on)
        self._showing.opened.connect(self._on_shown)
        self._showing.failed.connect(self._on_showing_failed)
        self._showing.noticed.connect(self.noticed)
        self._watch.changed.connect(self.touch)
        self._session.segmented.connect(self._watch.follow)
        form = self._annotate.image_form
        for told in (form.axes_chosen, form.voxels.chosen):  # After those who follow it.
            told.connect(self._watch.follow)
        self._session.state_changed.connect(self.touch)
        self._forms.changed.connect(self._on_forms_changed)
        self._forms.noticed.connect(self.noticed)
        self.bar.new_requested.connect(self.make)
        self.bar.open_requested.connect(self.open)
        self.bar.close_requested.connect(self.close)
        self.bar.restore_requested.connect(self._on_restore_requested)
        self.bar.dismissed.connect(self._on_dismissed)
        self.bar.removed_requested.connect(self._on_removed_requested)
        self._removed.wanted.connect(self._on_removed_requested)
        self._removed.noticed.connect(self.noticed)
        self._removed.left.connect(self.left)
        self.bar.menu_opened.connect(self._fill_menu)

    def _on_forms_changed(self) -> None:
        self._watch.note_unsaved()
        self.touch()

    def _save(self) -> None:
        self._jobs.add(lambda: (self._on_saved, project_job.save, (self._writer, self._take())))

    def _on_restore_requested(self, folder: Path) -> None:
        self.open(folder, is_untitled=self._folders.is_untitled(folder))

    def _on_removed_requested(self, removed: Removed) -> None:
        self._say_restoring(f"“{removed.text}”")
        self._save()  # It may not have been saved yet.
        self._jobs.add(partial(self._bring_back, removed))

    def _on_dismissed(self, folder: Path) -> None:
        note_answered(folder)
        self._set_offer(None)

    # Jobs, and what comes of them

    def _on_rested(self) -> None:
        self.bar.show_status(*self._status)
        self._set_switching(False)

    def _is_refused(self) -> bool:
        """Say that no project is opened or closed now, where something runs that belongs to the present one."""
        is_busy = self._session.state.is_busy
        if is_busy:
            text = "project: expected a moment at which nothing runs; wait for its end, or stop the training first."
            self.failed.emit(ValueError(text))
        return is_busy

    def _switch(self, wish: Wish) -> None:
        self._problems = ()  # Who asks is told once more why it cannot be.
        self._set_switching(True)
        self._jobs.add(wish)

    def _set_switching(self, is_switching: bool) -> None:
        if is_switching != self.is_switching:
            self.is_switching = is_switching
            self.switched.emit()

    def _begin_opening(self, folder: str | Path, is_untitled: bool) -> Work:
        arguments = (str(folder), is_untitled, self._writer, self._take(everything=True))
        return self._on_opened, project_job.open_project, arguments

    def _begin_closing(self) -> Work | None:
        if self._writer.is_untitled:  # It was asked for twice.
            return None
        return self._on_closed, project_job.save, (self._writer, self._take(everything=True))

    def _bring_back(self, removed: Removed) -> Work | None:
        if self._removed.is_back(removed):  # It was asked for twice.
            return None
        return self._on_closed_read, project_job.read_closed, (self._writer, removed)

    def _on_unclaimed(self, result: object) -> None:
        if isinstance(result, MadeProject | OpenedProject):
            result.writer.close()

    def _on_job_failed(self, error: Exception, then: object) -> None:
        self._watch.note_unsaved(self._last.images)
        if then == self._on_saved:
            self._show_problems((str(error),))
        else:
            self.failed.emit(error)
            self.bar.show_offer(self._offer)

    def _on_listed(self, found: tuple[list[LeftProject], LeftProject | None]) -> None:
        self._untitled, _ = found

    def _on_looked_around(self, found: tuple[list[LeftProject], LeftProject | None]) -> None:
        self._untitled, offer = found
        self._set_offer(offer)

    def _on_saved(self, saved: Saved) -> None:
        self._timer.setInterval(_pause(saved.seconds))
        if saved.problems:
            self._watch.note_unsaved(self._last.images)
            self._show_problems(saved.problems)
            return
        self._problems = ()
        if saved.time is None:
            self._watch.note_unsaved()  # Once there is a project, all of it is to be there.
        else:
            project_job.give_up(self._joined)
            self._joined = []
        if unkept := self._watch.unkept():
            self._show_status("not saved", "\n".join(unkept))
        elif saved.time is not None:
            self._show_status(f"saved {saved.time:%H:%M}", f"In {self._writer.folder}")
        else:
            self._show_status("")

    def _on_made(self, made: MadeProject) -> None:
        self._use(made.writer)
        self._on_saved(made.saved)
        self.noticed.emit(Notice(f"The project is kept in {made.writer.folder}.", "good"))
        self._jobs.add(lambda: (self._on_listed, look_around, (self._folders,)))

    def _on_closed(self, saved: Saved) -> None:
        self._on_saved(saved)
        if saved.problems:
            return
        if self._is_touched:
            self._jobs.add_first(self._begin_closing)
        else:
            self._watch.take_away()
            self._writer.close()
            note_answered(self._writer.folder)
            self._use(self._untitled_writer())

    def _on_opened(self, opened: OpenedProject | Saved) -> None:
        if isinstance(opened, Saved):
            self._on_saved(opened)
            self._set_offer(self._offer)
            return
        writer = opened.writer
        if self._is_touched and not self._writer.is_untitled:
            writer.close()
            self._jobs.add_first(partial(self._begin_opening, writer.folder, writer.is_untitled))
            return
        if not self._writer.is_untitled:
            self._watch.take_away()
        self._showing.show_project(opened)

    def _on_shown(self, opened: OpenedProject) -> None:
        before = self._writer
        self._joined = [*self._joined, before.folder] if before.is_untitled else []
        before.close()
        self._use(opened.writer)

    def _on_showing_failed(self) -> None:
        self._set_offer(self._offer)
        self._jobs.go_on()

    def _on_closed_read(self, closed: ClosedImage) -> None:
        self._showing.show_closed(closed, self._writer)

    def _say_restoring(self, what: str) -> None:
        self.bar.show_status("restoring …")
        self.noticed.emit(Notice(f"Bringing back {what} …"))

    def _take(self, *, everything: bool = False) -> KeptSession:
        """Take what is to be written now."""
        image, annotations = self._annotate.image.layer(), self._annotate.annotations.layer()
        chosen = None if image is None else layers.identity(annotations or image)
        self._is_touched = False
        self._last = KeptSession(self._watch.take(everything=everything), chosen, **self._forms.read())
        return self._last

    def _use(self, writer: ProjectWriter) -> None:
        self._writer, self._problems = writer, ()
        self._removed.forget()
        self.bar.show_project(writer.name, str(writer.folder))
        self._show_status("")
        self._set_offer(None)
        note_open(writer.folder)
        if not writer.is_untitled:
            self._folders.note_opened(writer.folder)

    def _set_offer(self, offer: LeftProject | None) -> None:
        self._offer = offer
        self.bar.show_offer(offer)

    def _finish(self, last: KeptSession) -> None:
        """Save for the last time, in a thread that the interpreter waits for."""
        work = (self._writer, last, self._joined)
        threading.Thread(target=project_job.finish, args=work, name="spoco-project").start()

    def _untitled_writer(self) -> ProjectWriter:
        return ProjectWriter(self._folders.new_untitled(), is_untitled=True)

    def _show_problems(self, problems: tuple[str, ...]) -> None:
        """Say what could not be saved, once as long as it stays so."""
        self._show_status("not saved", "\n".join(problems))
        if problems != self._problems:
            self._problems = problems
            self.noticed.emit(Notice(" ".join(problems), "bad"))

    def _show_status(self, text: str, hint: str = "") -> None:
        """Say how things stand, for longer than what is being done."""
        self._status = (text, hint)
        self.bar.show_status(text, hint)

    def _fill_menu(self) -> None:
        present = [item for item in self._untitled if item.folder.exists() and item.folder != self._writer.folder]
        is_named = not self._writer.is_untitled
        self.bar.fill_menu(self._folders.recent(), present, self._removed.listed(), is_named=is_named)

    def _is_training(self) -> bool:
        return self._session.state is SessionState.TRAINING


def _pause(seconds: float) -> int:
    """Return for how many milliseconds to wait before the next save, after one that took so long."""
    return max(_MILLISECONDS, min(round(1000 * _PATIENCE * seconds), _LONGEST_MILLISECONDS))
