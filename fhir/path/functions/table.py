"""How a function is told: what computes it, and how many arguments it takes."""

from collections.abc import Callable
from typing import NamedTuple

from fhir.path.evaluation import Items


class Function(NamedTuple):
    """`call` takes the frame, the input, and each argument: a collection, or (iterating) an expression."""

    call: Callable[..., Items]
    least: int = 0
    most: int = 0
