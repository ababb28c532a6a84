"""``hilum init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    path: Annotated[Path, typer.Argument(metavar="[FILE]", hidden=True)] = Path("app.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a commented configuration to start from.

    FILE is app.yaml in this folder if it is left out; a folder gets an app.yaml.
    """
    from hilum.cli.output import say
    from hilum.config import init_template
    from hilum.errors import PermanentError

    file = path / "app.yaml" if path.is_dir() else path
    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(init_template())
    except FileExistsError:
        raise PermanentError(f"{file} is there already and was left as it is; --force replaces it") from None
    except OSError as error:
        raise PermanentError(f"{file} cannot be written: {error.strerror}") from error
    say(f"Wrote {file}. Next: put your AE titles, sources and destinations in, then")
    option = "" if file == Path("app.yaml") else f" --config {file}"
    say(f"  hilum check{option} --probe")
    say(f"  hilum serve{option}")
