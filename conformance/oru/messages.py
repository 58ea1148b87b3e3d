"""Messages of the suite's own making: each run has patients, orders and studies of its own."""

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

FINDINGS = "59776-5^Procedure findings^LN"
IMPRESSION = "19005-8^Radiology Imaging study^LN"
PDF = (
    "JVBERi0xLjQKMSAwIG9iago8PC9UeXBlL0NhdGFsb2cvUGFnZXMgMiAwIFI+PgplbmRvYmoKMiAwIG9iago8PC9UeXBlL1BhZ2VzL0tpZHNbXS9D"
    "b3VudCAwPj4KZW5kb2JqCnRyYWlsZXI8PC9Sb290IDEgMCBSPj4KJSVFT0YK"
)


@dataclass
class Orders:
    """Gives identifiers that no other run had. `authority`: of the patient ids, empty for none."""

    authority: str = ""
    application: str = "CONFORMANCE"
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8].upper())
    numbers: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    def next(self) -> "Order":
        """Another order, of another patient."""
        return Order(self, f"{self.run}{self.numbers()}", f"2.25.{uuid.uuid4().int}")


@dataclass(frozen=True)
class Order:
    """One examination of one patient."""

    of: Orders
    number: str
    study_instance_uid: str

    def oru(
        self, *lines: str, status: str = "F", event: str = "R01", version: str = "2.5.1", charset: str = "",
        time: str = "20260101120000", acknowledgements: str = "|",
    ) -> str:  # fmt: skip
        """A message about it; `lines`: OBX from its second field on."""
        kind = f"ORU^{event}" if version == "2.3.1" else f"ORU^{event}^ORU_R01"
        control_id = f"{self.of.run}{self.of.numbers()}"
        patient = f"{self.number}^^^{self.of.authority}^MR" if self.of.authority else self.number
        head = (
            f"MSH|^~\\&|{self.of.application}|SUITE|ANY|ANY|20260101120000||{kind}|{control_id}|P|{version}|||"
            f"{acknowledgements}||{charset}",
            f"PID|1||{patient}||SUITE^CONFORMANCE||19700101|O",
            f"ORC|RE|P{self.number}|F{self.number}",
            f"OBR|1|P{self.number}|F{self.number}|71046^Chest X-ray^C4|||20260101110000|||||||||||A{self.number}||||"
            f"{time}|||{status}|||||||1&READER&ROSE",
        )
        numbered = (f"OBX|{number}|{line}" for number, line in enumerate(lines, 1))
        return "".join(f"{line}\r" for line in (*head, *numbered))

    def study(self) -> str:
        """The OBX that names its study (IHE RAD RD 4.128)."""
        return f"ST|113014^DICOM Study^DCM||{self.study_instance_uid}||||||O"


def text(words: str, about: str = FINDINGS, status: str = "F") -> str:
    """An OBX of text."""
    return f"TX|{about}||{words}||||||{status}"
