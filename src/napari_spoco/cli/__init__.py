"""`napari-spoco …`: the whole way of the data without a window.

The commands only translate between the shell and the package: files in, files out, progress on the screen.
"""

from __future__ import annotations

import typer

from napari_spoco.cli.batch import batch
from napari_spoco.cli.demonstration import demo
from napari_spoco.cli.description import info, models
from napari_spoco.cli.exchange import export_model, import_model
from napari_spoco.cli.segmentation import evaluate, segment
from napari_spoco.cli.settings import config
from napari_spoco.cli.training import train

app = typer.Typer(
    help="Paint a few objects, get all of them: sparse training of pixel embeddings (SPOCO).",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for command in (demo, train, segment, batch, evaluate, config, models, info):
    app.command()(command)
app.command("import")(import_model)
app.command("export")(export_model)
