"""The program ``hilum``, also ``python -m hilum``."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Run the command line and end the process with one of ``hilum.cli.exit.ExitCode``."""
    try:
        # Here, since an error while importing is to be reported like any other.
        from hilum.cli import shortcut  # noqa: PLC0415

        if (asked := shortcut.read(sys.argv[1:])) is not None:
            _send(asked)
        else:
            from hilum.cli.app import app  # noqa: PLC0415

            app(prog_name="hilum")
    except Exception as error:  # noqa: BLE001  the last frame: expected errors become sentences, others a report
        from hilum.cli.exit import report  # noqa: PLC0415

        sys.exit(report(error))


def _send(asked: dict[str, Any]) -> None:
    from hilum.cli import errand  # noqa: PLC0415
    from hilum.cli.exit import ExitCode  # noqa: PLC0415

    try:
        errand.run(**asked)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(ExitCode.OK)


if __name__ == "__main__":
    main()
