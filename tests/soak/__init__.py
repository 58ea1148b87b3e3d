"""Rounds of violent ends: what was acknowledged must come back whole, and nothing half may be seen."""

from tests.soak.kills import Round, rounds

__all__ = ["Round", "rounds"]
