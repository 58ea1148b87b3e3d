"""Alembic's environment and versions; `pacsd.index.migrate` runs them."""
