"""Every SOP class whose instances are worked on by DIMSE-N, as one table: what is served in its contexts, and by whom.

A class that stands here stands in `sop_classes.py` too, with the service an AE must be allowed to ask for.
"""

from collections.abc import Mapping

from pacsd.dimse import commitment, performed_step, unified_procedure_step
from pacsd.dimse.normalized import NormalizedClass

CLASSES: Mapping[str, NormalizedClass] = {       # by abstract syntax
    **performed_step.CLASSES,
    **commitment.CLASSES,
    **unified_procedure_step.CLASSES,
}
