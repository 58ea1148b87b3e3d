"""What was done with one object, for people and programs; it holds no original value (PS3.15 E.3)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydicom.datadict import keyword_for_tag

from pacsd.codec.structure import show
from pacsd.deidentify.profile import Action

WORDS = {
    Action.REMOVE: "removed", Action.EMPTY: "emptied", Action.DUMMY: "replaced by a dummy", Action.UID: "mapped",
    Action.KEEP: "kept", Action.CLEAN: "cleaned",
}  # fmt: skip


@dataclass(slots=True)
class Report:
    """What became of one object; its UIDs are the new ones.

    `attributes` counts (tag, action) at any level, of what was changed or is kept by an option. `pixels` says what was
    done with pixel data, `warnings` what a person should look at.
    """

    sop_class_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    options: tuple[str, ...] = ()
    attributes: Counter[tuple[int, Action]] = field(default_factory=Counter)
    pixels: str = "untouched"
    warnings: list[str] = field(default_factory=list)

    def note(self, tag: int, action: Action) -> None:
        """One more attribute."""
        self.attributes[tag, action] += 1

    def as_json(self) -> dict[str, Any]:
        """In the types of JSON."""
        return {
            "sop_class_uid": self.sop_class_uid,
            "study_instance_uid": self.study_instance_uid,
            "series_instance_uid": self.series_instance_uid,
            "sop_instance_uid": self.sop_instance_uid,
            "transfer_syntax_uid": self.transfer_syntax_uid,
            "options": list(self.options),
            "pixels": self.pixels,
            "warnings": self.warnings,
            "attributes": [
                {"tag": f"{tag:08X}", "keyword": _keyword(tag), "action": action.value, "count": count}
                for (tag, action), count in sorted(self.attributes.items(), key=lambda one: one[0][0])
            ],
        }

    def as_text(self) -> str:
        """For people: lines, the last one ended."""
        lines = [f"instance {self.sop_instance_uid}", f"  pixel data: {self.pixels}"]
        lines += [f"  look at: {warning}" for warning in self.warnings]
        for action, word in WORDS.items():
            tags = sorted(tag for tag, done in self.attributes if done is action)
            if tags:
                lines.append(f"  {word}: {', '.join(f'{show(tag)} {_keyword(tag)}'.strip() for tag in tags)}")
        return "\n".join(lines) + "\n"


def _keyword(tag: int) -> str:
    return keyword_for_tag(tag)
