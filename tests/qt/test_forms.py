"""Forms against the models that they are made from."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import model_validator
from qtpy.QtCore import QEvent, QLocale, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QToolTip
from superqt import QCollapsible

from napari_spoco._qt.forms.editors import ChoiceEditor, make_editor
from napari_spoco._qt.forms.forms import ModelForm, read_parameters
from napari_spoco._qt.forms.layer_choice import LayerChoice
from napari_spoco._qt.forms.spin_boxes import FloatEditor, IntEditor
from napari_spoco._qt.layers.layers import image_layers
from napari_spoco.config import (
    TRAINING_PRESETS,
    AdversarialConfig,
    AnnotationConfig,
    AugmentationConfig,
    LossConfig,
    NetworkConfig,
    Normalization,
    Parameters,
    SegmentationConfig,
    TrainingConfig,
    ValidationConfig,
    setting,
)

MODELS = [
    TrainingConfig,
    SegmentationConfig,
    LossConfig,
    AugmentationConfig,
    AnnotationConfig,
    ValidationConfig,
    AdversarialConfig,
    Normalization,
    NetworkConfig,
]


class Odd(Parameters):
    """Types at their edges."""

    tiny: float = setting(1e-7, "Tiny", "Small.", gt=0, le=1)
    size: int | None = setting(None, "Size", "Perhaps.", unit="pixels", ge=2, le=9)
    part: float | None = setting(None, "Part", "Perhaps.", gt=0, lt=1)
    share: float | None = setting(None, "Share", "Perhaps, or nothing.", ge=0, le=1)


class Pair(Parameters):
    """A rule between two of three fields."""

    lower: float = setting(1.0, "Lower", "From.", ge=0)
    upper: float = setting(9.0, "Upper", "To.", ge=0)
    other: float = setting(1.0, "Other", "Of no concern.", ge=0)
    size: tuple[int, ...] = setting((1,), "Size", "Text.")

    @model_validator(mode="after")
    def _check(self) -> Pair:
        if self.lower >= self.upper:
            raise ValueError(f"lower: expected less than upper, got {self.lower:g} and {self.upper:g}")
        return self


class Nest(Parameters):
    """A pair within."""

    pair: Pair = Pair()


@pytest.fixture
def form(qtbot):
    kept = []  # qtbot itself keeps no widget alive

    def make(model, *args, **kwargs):
        kept.append(ModelForm(model, *args, **kwargs))
        qtbot.addWidget(kept[-1])
        return kept[-1]

    return make


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_untouched_form_is_the_models_default(form, model) -> None:
    assert read_parameters(model, form(model)) == model()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_labels_tooltips_units_and_bounds_come_from_the_model(form, model) -> None:
    made = form(model)
    texts = {label.text() for label in made.findChildren(QLabel)}
    headings = {group.text(): group.toggleButton().toolTip() for group in made.findChildren(QCollapsible)}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Parameters):
            assert headings[name.capitalize()]
            continue
        editor = made.editor(name)
        assert field.title in texts
        assert editor.toolTip() == field.description
        unit = field.json_schema_extra["unit"]
        if isinstance(editor, IntEditor | FloatEditor):
            assert editor.suffix() == (f" {unit}" if unit else "")


def test_several_forms_make_one_model(form) -> None:
    quick, rest = form(TrainingConfig, ["max_steps"]), form(TrainingConfig, ["loss", "patch_shape", "norm"])
    quick.editor("max_steps").set_value(7)
    rest.editor("patch_shape").setText("64 x 32")
    rest.editor("norm").set_value("group")
    rest.group("loss").editor("pull_weight").set_value(0.25)
    expected = TrainingConfig(
        max_steps=7,
        patch_shape=(64, 32),
        norm="group",
        loss=TrainingConfig().loss.model_copy(update={"pull_weight": 0.25}),
    )
    assert read_parameters(TrainingConfig, quick, rest) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("tiny", value) for value in (1e-8, 1.0)),
        *(("size", value) for value in (2, 9, None)),
        *(("part", value) for value in (None, 0.5)),
        *(("share", value) for value in (None, 0.0, 1.0)),
    ],
)
def test_values_at_the_edges_survive(form, name, value) -> None:
    made = form(Odd)
    made.editor(name).set_value(value)
    assert getattr(read_parameters(Odd, made), name) == value


@pytest.mark.parametrize("name", TRAINING_PRESETS)
def test_a_form_shows_any_values_of_its_model(form, name) -> None:
    made = form(TrainingConfig)
    made.set_values(TRAINING_PRESETS[name])
    assert read_parameters(TrainingConfig, made) == TRAINING_PRESETS[name]


def test_a_form_that_may_not_be_edited_can_still_be_unfolded(form) -> None:
    made = form(TrainingConfig)
    made.set_editable(False)
    assert not made.editor("max_steps").isEnabled()
    assert not made.group("loss").editor("pull_weight").isEnabled()
    assert all(group.toggleButton().isEnabled() for group in made.findChildren(QCollapsible))


def test_none_reads_as_said(form) -> None:
    made = form(TrainingConfig, ["max_minutes", "batch_size"], blanks={"max_minutes": "no limit"})
    made.editor("max_minutes").set_value(None)
    assert made.editor("max_minutes").text() == "no limit"
    assert made.editor("batch_size").text() == "auto"


@pytest.mark.parametrize(
    ("value", "text"), [(0.0002, "0.0002"), (2.0, "2"), (0.0, "0"), (100.0, "100"), (1e-5, "0.00001")]
)
def test_numbers_have_no_needless_digits(form, value, text) -> None:
    editor = form(TrainingConfig, ["weight_decay"]).editor("weight_decay")
    editor.set_value(value)
    assert editor.text() == text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(lambda f: f.editor("patch_shape").setText("64, big"), "Patch: expected whole numbers", id="text"),
        pytest.param(
            lambda f: f.editor("learning_rate").set_value(0), "Learning rate: should be greater than 0", id="open"
        ),
        pytest.param(
            lambda f: f.group("loss").editor("kernel_threshold").set_value(1.0),
            "Loss > Kernel threshold: should be less than 1",
            id="nested",
        ),
        pytest.param(
            lambda f: f.group("adversarial").editor("feature_maps").setText("wide"),
            "Adversarial > Feature maps: expected whole numbers",
            id="nested text",
        ),
        pytest.param(
            lambda f: f.group("adversarial").editor("feature_maps").setText(""),
            "Adversarial > Feature maps: expected whole numbers",
            id="empty where there is no default of the machine's",
        ),
    ],
)
def test_a_wrong_value_is_named_as_the_form_names_it(form, change, sentence) -> None:
    made = form(TrainingConfig)
    change(made)
    with pytest.raises(ValueError, match=sentence):
        read_parameters(TrainingConfig, made)


def test_only_the_users_changes_are_announced(form, qtbot) -> None:
    made = form(TrainingConfig)
    with qtbot.assertNotEmitted(made.changed):
        made.editor("max_steps").set_value(5)
        made.editor("norm").set_value("batch")
    with qtbot.waitSignal(made.changed):
        made.editor("max_steps").stepUp()
    with qtbot.waitSignal(made.changed):
        made.group("loss").editor("pull_weight").stepUp()


def test_a_choice_that_was_not_offered_is_kept(form) -> None:
    made = form(TrainingConfig, ["device"], choices={"device": ("auto", "cpu")})
    made.editor("device").set_value("cuda:1")
    assert read_parameters(TrainingConfig, made).device == "cuda:1"


@pytest.mark.parametrize("name", ["max_steps", "learning_rate", "schedule"])
def test_the_wheel_scrolls_the_dock_and_changes_nothing(form, name) -> None:
    made = form(TrainingConfig)
    editor = made.editor(name)
    before = editor.value()
    centre = QPointF(editor.rect().center())
    turn = QWheelEvent(
        centre,
        centre,
        QPoint(0, 0),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(editor, turn)
    assert editor.value() == before
    assert not turn.isAccepted()


def test_words_are_shown_without_underscores(qtbot) -> None:
    editor = make_editor(LossConfig.model_fields["instance_dice"])
    qtbot.addWidget(editor)
    assert isinstance(editor, ChoiceEditor)
    assert isinstance(editor, QComboBox)
    assert editor.currentText() == "per object"
    assert editor.value() == "per_object"


def test_nested_form_shows_the_defaults_of_the_outer_model(qtbot) -> None:
    form = ModelForm(TrainingConfig, ["loss"])
    qtbot.addWidget(form)
    assert form.group("loss").editor("consistency_weight").value() == TrainingConfig().loss.consistency_weight


def test_a_slider_and_its_number_follow_each_other(qtbot) -> None:
    form = ModelForm(SegmentationConfig, ["min_size", "delta_dist"])
    qtbot.addWidget(form)
    edited = []
    form.changed.connect(lambda: edited.append(form.values()))
    for name, kind in (("min_size", int), ("delta_dist", float)):
        editor = form.editor(name)
        assert editor.value() is None
        editor.slider.setValue(500)
        assert isinstance(editor.value(), kind)
        assert edited[-1][name] == editor.value() > 0
        editor.set_value(2)
        assert editor.slider.value() < 900
        editor.spin.setValue(10**6)  # beyond the slider's range
        assert (editor.value(), editor.slider.value()) == (10**6, editor.slider.maximum())
        editor.set_value(None)
        assert (editor.value(), editor.slider.value()) == (None, 0)


@pytest.mark.parametrize(
    ("name", "text", "value", "shown"),
    [
        ("voxel_size", "0,5 0,2 0,2", (0.5, 0.2, 0.2), "0.5, 0.2, 0.2"),
        ("voxel_size", "0,5; 0,2; 0,2", (0.5, 0.2, 0.2), "0.5, 0.2, 0.2"),
        ("voxel_size", "0,5;0,2;0,2", (0.5, 0.2, 0.2), "0.5, 0.2, 0.2"),
        ("voxel_size", "0,5, 0,2, 0,2", (0.5, 0.2, 0.2), "0.5, 0.2, 0.2"),
        ("voxel_size", "0.5, 0.2, 0.2", (0.5, 0.2, 0.2), "0.5, 0.2, 0.2"),
        ("voxel_size", "0.5,0.2,0.2", (0.5, 0.2, 0.2), "0.5, 0.2, 0.2"),
        ("voxel_size", "0.25 x 0,125", (0.25, 0.125), "0.25, 0.125"),
        ("voxel_size", "1, 2,", (1, 2), "1.0, 2.0"),
        ("voxel_size", " ", None, ""),
        ("patch_shape", "64,32", (64, 32), "64, 32"),
        ("patch_shape", "32 x 64", (32, 64), "32, 64"),
        ("patch_shape", "16 64;64", (16, 64, 64), "16, 64, 64"),
    ],
)
def test_several_numbers_are_read_in_any_way_that_is_clear_and_shown_as_read(qtbot, name, text, value, shown) -> None:
    form = ModelForm(TrainingConfig, [name])
    qtbot.addWidget(form)
    editor = form.editor(name)
    assert editor.value() is None
    type_into(qtbot, editor, text)
    assert (editor.value(), editor.text()) == (value, text)
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert (editor.value(), editor.text()) == (value, shown)
    assert form.refused == {}


@pytest.mark.parametrize("text", ["0,5", "0,5,0,2", "1,2,3", "0,5,", "1.000,5", "1,000.5 2"])
def test_a_comma_that_may_be_either_is_refused(qtbot, text) -> None:
    form = ModelForm(TrainingConfig, ["voxel_size"])
    qtbot.addWidget(form)
    type_into(qtbot, form.editor("voxel_size"), text, is_entered=True)
    assert form.editor("voxel_size").text() == text
    assert form.refused == {
        "voxel_size": "expected a space or a semicolon between numbers, or a decimal point, "
        f"got “{text}”, whose comma may stand for either."
    }
    with pytest.raises(ValueError, match="Voxel size: expected a space or a semicolon"):
        form.values()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("voxel_size", "0.5 big", "numbers separated by spaces or semicolons"),
        ("voxel_size", "0.5,,0.2", "numbers separated by spaces or semicolons"),
        ("voxel_size", "0.5 0,5,0", "numbers separated by spaces or semicolons"),
        ("patch_shape", "1.5", "whole numbers separated by commas"),
        ("patch_shape", ";", "whole numbers separated by commas"),
    ],
)
def test_what_is_no_row_of_numbers_is_refused(qtbot, name, text, expected) -> None:
    form = ModelForm(TrainingConfig, [name])
    qtbot.addWidget(form)
    type_into(qtbot, form.editor(name), text)
    assert form.refused == {name: f"expected {expected}, got “{text}”."}


# Marks


@pytest.mark.parametrize("language", ["en_US", "de_DE"])
@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_minutes", "0,5", 0.5),
        ("max_minutes", "0.5", 0.5),
        ("learning_rate", "0,0046", 0.0046),
        ("max_steps", "20,0", 20),
    ],
)
def test_a_decimal_comma_is_a_decimal_point(qtbot, language, name, text, value) -> None:
    before = QLocale()
    QLocale.setDefault(QLocale(language))
    made = ModelForm(TrainingConfig, [name])
    QLocale.setDefault(before)
    qtbot.addWidget(made)
    type_into(qtbot, made.editor(name), text, is_entered=True)
    assert made.refused == {}
    assert made.editor(name).value() == value


@pytest.mark.parametrize("text", ["1,000,5", "1.000,5", "1,5.0"])
@pytest.mark.parametrize("name", ["max_minutes", "max_steps"])
def test_other_commas_are_marked(qtbot, name, text) -> None:
    made = ModelForm(TrainingConfig, [name])
    qtbot.addWidget(made)
    before = made.editor(name).value()
    type_into(qtbot, made.editor(name), text)
    assert f"number, got “{text}”." in made.refused[name]
    qtbot.keyClick(made.editor(name), Qt.Key.Key_Return)
    assert made.editor(name).value() == before


def type_into(qtbot, editor, text: str, *, is_entered: bool = False) -> None:
    """Type in place of what is there, and press Enter or not."""
    field = getattr(editor, "spin", editor)
    field.selectAll()
    qtbot.keyClick(field, Qt.Key.Key_Delete)
    qtbot.keyClicks(field, text)
    if is_entered:
        qtbot.keyClick(field, Qt.Key.Key_Return)


def label_of(form, name: str) -> QLabel:
    return form.layout().labelForField(form.editor(name))


@pytest.mark.parametrize(
    ("name", "wrong", "reason", "right"),
    [
        pytest.param("learning_rate", "0", "should be greater than 0, got 0.0.", "0.01", id="open bound"),
        pytest.param("max_steps", "0", "should be greater than or equal to 1, got 0.", "20", id="closed bound"),
        pytest.param("momentum", "1", "should be less than 1, got 1.0.", "0.9", id="upper bound"),
        pytest.param("momentum", "27", "should be less than 1, got 27.0.", "0.9", id="far beyond"),
        pytest.param("batch_size", "0", "should be greater than or equal to 1, got 0.", "", id="blank"),
        pytest.param("max_steps", "", "expected a number.", "7", id="nothing"),
        pytest.param(
            "patch_shape", "64, big", "expected whole numbers separated by commas, got “64, big”.", "64, 32", id="text"
        ),
    ],
)
@pytest.mark.parametrize("is_entered", [False, True], ids=["typed", "entered"])
def test_a_wrong_field_is_marked_until_it_is_right(form, qtbot, name, wrong, reason, right, is_entered) -> None:
    made = form(TrainingConfig)
    editor, label = made.editor(name), label_of(made, name)
    about, title = editor.toolTip(), label.text()
    type_into(qtbot, editor, wrong)
    assert made.refused == {name: reason}
    assert editor.toolTip() == label.toolTip() == f"⚠ {reason}\n\n{about}"
    assert label.text() == f"⚠ {title}"
    assert editor.property("refused")
    assert editor.accessibleDescription() == reason
    type_into(qtbot, editor, right, is_entered=is_entered)
    assert made.refused == {}
    assert (editor.toolTip(), label.text(), editor.property("refused")) == (about, title, False)


def test_what_the_range_does_not_allow_goes_with_its_mark_when_it_is_left(form, qtbot) -> None:
    made = form(SegmentationConfig, ["n_samples", "min_size"])
    editor = made.editor("n_samples")
    type_into(qtbot, editor, "400000")
    assert made.refused == {"n_samples": "should be less than or equal to 300000, got 400000."}
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert editor.value() is None
    assert made.refused == {}
    slider = made.editor("min_size")
    type_into(qtbot, slider, "-3")
    assert "min_size" in made.refused
    assert slider.spin.property("refused")
    assert slider.toolTip().startswith("⚠ should be greater than or equal to 0")
    made.set_values(SegmentationConfig(min_size=5))
    assert made.refused == {}


def test_an_emptied_field_means_what_its_blank_means(form, qtbot) -> None:
    made = form(TrainingConfig, ["max_minutes", "batch_size"])
    for name, text in (("max_minutes", "3"), ("batch_size", "2")):
        type_into(qtbot, made.editor(name), text, is_entered=True)
        assert made.editor(name).value() == int(text)
        type_into(qtbot, made.editor(name), "", is_entered=True)
        assert made.editor(name).value() is None
        assert made.editor(name).text() == "auto"


def test_a_rule_between_fields_marks_those_that_it_names(form, qtbot) -> None:
    made = form(Pair)
    type_into(qtbot, made.editor("lower"), "20")
    assert made.refused == dict.fromkeys(("lower", "upper"), "lower: expected less than upper, got 20 and 9.")
    type_into(qtbot, made.editor("size"), "big")
    assert set(made.refused) == {"size"}  # what the rule says of fields that cannot be read is not known
    type_into(qtbot, made.editor("size"), "3")
    type_into(qtbot, made.editor("upper"), "30", is_entered=True)
    assert made.refused == {}
    type_into(qtbot, made.editor("lower"), "40", is_entered=True)
    with pytest.raises(ValueError, match=r"^lower: expected less than upper, got 40 and 30\.$"):
        read_parameters(Pair, made)


def test_percentiles_in_the_wrong_order_are_marked(form, qtbot) -> None:
    made = form(TrainingConfig, ["normalization"])
    group = made.group("normalization")
    type_into(qtbot, group.editor("lower"), "60", is_entered=True)
    type_into(qtbot, group.editor("upper"), "40", is_entered=True)
    reason = "lower (dark percentile): expected less than upper (bright percentile), got 60 and 40."
    assert group.refused == {"lower": reason, "upper": reason}
    with pytest.raises(ValueError, match=r"^Normalization: lower \(dark percentile\): .*, got 60 and 40\.$"):
        read_parameters(TrainingConfig, made)
    group.editor("kind").set_value("standard")
    group.check()
    assert not group.refused


def test_a_folded_group_shows_that_there_is_a_wrong_field_in_it(form, qtbot) -> None:
    made = form(Nest)
    (heading,) = made.findChildren(QCollapsible)
    type_into(qtbot, made.group("pair").editor("upper"), "0")
    assert heading.text() == "⚠ Pair"
    assert set(made.refused) == {"pair.lower", "pair.upper"}
    type_into(qtbot, made.group("pair").editor("upper"), "2")
    assert heading.text() == "Pair"


def test_a_slider_shows_what_its_blank_means(form, qtbot) -> None:
    """The number of the model in use stands in the field; it is no value of the user's."""
    made = form(SegmentationConfig, ["class_threshold"])
    editor = made.editor("class_threshold")
    assert (editor.spin.text(), editor.slider.value()) == ("auto", 0)
    editor.show_meant(0.62)
    assert editor.spin.text() == "auto: 0.62"
    meant = editor.slider.value()
    assert made.values() == {"class_threshold": None}
    type_into(qtbot, editor, "0.7", is_entered=True)
    assert editor.slider.value() > meant > 0
    made.set_values(SegmentationConfig())
    assert (editor.spin.text(), editor.slider.value()) == ("auto: 0.62", meant)
    assert made.refused == {}
    editor.show_meant(None)
    assert (editor.spin.text(), editor.slider.value()) == ("auto", 0)


def test_a_long_choice_keeps_its_end(qtbot) -> None:
    """Names of runs end in their time; the tooltip has what is left out."""
    choice = ChoiceEditor((("a", "in use: z01-and-1-more 2026-11-26 15.12.40"), ("b", "short")))
    qtbot.addWidget(choice)
    choice.setToolTip("Help.")
    choice.resize(170, 26)
    choice.show()
    assert choice.shown_text.endswith("15.12.40")
    assert "…" in choice.shown_text
    point = choice.rect().center()
    QApplication.sendEvent(choice, QHelpEvent(QEvent.Type.ToolTip, point, choice.mapToGlobal(point)))
    assert QToolTip.text() == "in use: z01-and-1-more 2026-11-26 15.12.40\n\nHelp."
    QToolTip.hideText()
    choice.set_value("b")
    assert choice.shown_text == "short"
    assert not choice.grab().isNull()


def image_choice(viewer, qtbot) -> LayerChoice:
    """Return a choice of images that takes the first one by itself."""
    choice = LayerChoice(viewer, image_layers, fixed=(("none", "no image"),), takes_first=True)
    qtbot.addWidget(choice)
    return choice


def test_the_first_image_is_taken_where_nobody_has_chosen(viewer, qtbot) -> None:
    images = image_choice(viewer, qtbot)
    assert images.key() == "none"
    first = viewer.add_image(np.zeros((4, 4)), name="first")
    second = viewer.add_image(np.zeros((4, 4)), name="second")
    assert images.layer() == first
    viewer.layers.remove(first)
    assert images.layer() == second
    images.disconnect_viewer()


def test_no_image_stays_chosen_as_long_as_there_are_images(viewer, qtbot) -> None:
    images = image_choice(viewer, qtbot)
    first = viewer.add_image(np.zeros((4, 4)), name="first")
    images.show()
    images.setFocus()
    qtbot.keyClick(images, Qt.Key.Key_Up)
    assert images.key() == "none"
    first.name = "renamed"
    second = viewer.add_image(np.zeros((4, 4)), name="second")
    viewer.layers.remove(first)
    assert images.key() == "none"
    viewer.layers.remove(second)
    third = viewer.add_image(np.zeros((4, 4)), name="third")
    assert images.layer() == third
    images.disconnect_viewer()
