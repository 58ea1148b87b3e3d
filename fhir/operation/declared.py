"""How operations are declared (http://hl7.org/fhir/R4/operationslist.html)."""

from dataclasses import dataclass

from fhir.interaction.declared import Handler
from pacsd.access.operations import Operation as Needs


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation and where it may be asked: of the system, of resource types, of resources of these types.

    `types` empty: of all of them. A handler finds in the request its name, the type and id it was asked of, the
    parameters of the URL, and the resource of the body: Parameters, or whatever one came alone.
    """

    name: str                            # without the dollar sign
    handler: Handler
    definition: str                      # canonical URL of the OperationDefinition
    needs: Needs                         # what the asker must be allowed
    system: bool = False
    type: bool = False
    instance: bool = False
    types: tuple[str, ...] = ()
    affects_state: bool = False          # then POST alone asks for it (operations.html#executing)
    goes_on: bool = False                # it begins work that goes on after its request, or keeps something for it

    def may_be_asked(self, type_name: str, logical_id: str) -> bool:
        """Whether it is one of the system, of this type, or of this resource."""
        if not type_name:
            return self.system
        return (self.instance if logical_id else self.type) and (not self.types or type_name in self.types)
