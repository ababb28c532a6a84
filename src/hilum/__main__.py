"""The program ``hilum``, also ``python -m hilum``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with one of ``hilum.cli.exit.ExitCode``."""
    try:
        from hilum.cli.app import app  # noqa: PLC0415  an error while importing is to be reported like any other

        app(prog_name="hilum")
    except Exception as error:  # noqa: BLE001  the last frame: expected errors become sentences, others a report
        from hilum.cli.exit import report  # noqa: PLC0415

        sys.exit(report(error))


if __name__ == "__main__":
    main()
