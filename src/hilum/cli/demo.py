"""``hilum demo``."""


def command() -> None:
    """Demo."""
