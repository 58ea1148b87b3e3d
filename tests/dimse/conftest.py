"""The workflow on real PostgreSQL, for the services of this edge that work on it."""

from tests.workflow.conftest import office, worklist_database

__all__ = ["office", "worklist_database"]
