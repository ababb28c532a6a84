"""``hilum demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="FOLDER", show_default=False, help="Where everything goes; new or empty."),
    ] = None,
    slices: Annotated[int, typer.Option("--slices", metavar="N", min=32, max=512, help="Of the made-up CT.")] = 64,
    keep: Annotated[bool, typer.Option("--keep", help="Let everything run on until Ctrl-C.")] = False,
) -> None:
    """Run the main job once on made-up images, step by step.

    Starts a gateway and a PACS as processes of their own, plays a modality that sends a synthetic chest CT, lets the
    example workflow find the lungs, and checks what arrives at the PACS. Needs the source tree (examples/) and what the
    examples need: pip install 'hilum[examples]'. The folder stays, so that you can look around in it.
    """
    from hilum.cli.rehearsal import Rehearsal, prepare

    with Rehearsal(prepare(folder), slices) as rehearsal:
        rehearsal.run()
        if keep:
            rehearsal.go_on()
