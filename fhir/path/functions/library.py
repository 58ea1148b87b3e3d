"""Functions of FHIRPath by name: PLAIN ones take collections, ITERATING ones take expressions that they evaluate."""

from collections.abc import Mapping

from fhir.path.functions import conversion, existence, fhir, filtering, numbers, strings, subsetting, tree, utility
from fhir.path.functions.table import Function

PLAIN: Mapping[str, Function] = {
    **existence.PLAIN, **subsetting.PLAIN, **conversion.PLAIN, **strings.PLAIN, **numbers.PLAIN, **tree.PLAIN,
    **utility.PLAIN, **fhir.PLAIN}
ITERATING: Mapping[str, Function] = {
    **existence.ITERATING, **filtering.ITERATING, **conversion.ITERATING, **utility.ITERATING}
