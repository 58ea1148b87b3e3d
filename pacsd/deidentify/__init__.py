"""De-identification by PS3.15 Annex E: the Basic Profile with all its options, on streams; no files, no sockets.

`Deidentified(policy, project)` turns one object into its de-identified form and a report of what was done.
"""

from pacsd.deidentify.deidentified import Deidentified, Outcome
from pacsd.deidentify.pseudonyms import Project

__all__ = ["Deidentified", "Outcome", "Project"]
