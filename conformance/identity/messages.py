"""What messages carry: domains, patients, and the segments that name them (IHE ITI TF-2 3.8, 3.9, 3.21, 3.30)."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass

# MSH-9.3 (ITI-30 3.30.4); ITI-8 is HL7 v2.3.1, which has ADT_A01 for all of its own (3.8.4.1.2.1)
STRUCTURES: Mapping[str, str] = {
    "A01": "ADT_A01", "A04": "ADT_A01", "A05": "ADT_A01", "A08": "ADT_A01", "A28": "ADT_A05", "A31": "ADT_A05",
    "A40": "ADT_A39", "A47": "ADT_A30", "A24": "ADT_A24", "A37": "ADT_A37",
}  # fmt: skip
NOW = "20260101120000"


@dataclass(frozen=True, slots=True)
class Domain:
    """A patient identification domain: namespace id, universal id and its type (HL7 v2.5.1 2.A.33)."""

    namespace: str
    universal_id: str
    kind: str = "ISO"

    @property
    def whole(self) -> str:
        """All three, as a component's subcomponents."""
        return f"{self.namespace}&{self.universal_id}&{self.kind}"

    @property
    def forms(self) -> tuple[str, str, str]:
        """Each way in which it may be named: by namespace, by universal id, by both (3.8.4.1.2.3)."""
        return self.namespace, f"&{self.universal_id}&{self.kind}", self.whole


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient of one domain."""

    domain: Domain
    number: str
    family: str
    given: str
    birth_date: str
    sex: str
    street: str
    phone: str
    mother: str
    account: str

    @property
    def key(self) -> tuple[str, str]:
        """Id, and namespace of its domain."""
        return self.number, self.domain.namespace

    def cx(self, authority: str = "") -> str:
        """Its identifier, the domain named in one of its forms."""
        return f"{self.number}^^^{authority or self.domain.whole}"

    @property
    def name(self) -> str:
        """XPN."""
        return f"{self.family}^{self.given}"

    @property
    def address(self) -> str:
        """XAD."""
        return f"{self.street}^^CONFORMANCE^KS^66999^US"

    def pid(self, *, ids: str = "") -> str:
        """The segment that states it."""
        fields = {1: "1", 3: ids or self.cx(), 5: self.name, 6: self.mother, 7: self.birth_date, 8: self.sex,
                  11: self.address, 13: self.phone, 18: f"{self.account}^^^{self.domain.whole}"}  # fmt: skip
        return "|".join(["PID", *(fields.get(number, "") for number in range(1, 19))])

    def mrg(self) -> str:
        """The segment that says it is merged, or its id changed."""
        return f"MRG|{self.cx()}||||||{self.name}"


def named(domain: Domain, number: str, *, sex: str = "F") -> Patient:
    """A patient like nobody else: no two have the same name, day of birth, street or phone but by chance."""
    pick = secrets.SystemRandom()
    letters = ["".join(pick.choices(string.ascii_uppercase, k=10)) for _ in range(4)]
    return Patient(
        domain, number, letters[0], letters[1], f"{pick.randint(1930, 2009)}{pick.randint(1, 12):02d}15", sex,
        f"{pick.randint(1, 999)} {letters[2]} STREET", f"{pick.randint(10**9, 10**10 - 1)}", letters[3], f"V{number}",
    )  # fmt: skip
