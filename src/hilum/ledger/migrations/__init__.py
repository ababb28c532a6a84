"""Alembic's environment; the versions are applied in order at the start of a gateway."""
