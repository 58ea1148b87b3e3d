"""Matching was tuned on the ordinary world; in the hostile one nobody is linked falsely."""

import pytest

from pacsd.identity.matching import Thresholds
from tests.identity.populations import hostile, ordinary
from tests.identity.quality import measured


def test_the_world_it_was_tuned_on_is_matched_well() -> None:
    found = measured(ordinary(1, 1500), Thresholds())
    assert found.falsely_linked == 0, found
    assert found.provable_recall > 0.87 and found.recall_with_review > 0.98, found


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_no_twins_newborns_shared_phones_or_lent_cards_are_linked(seed: int) -> None:
    found = measured(hostile(seed, 300), Thresholds())
    print(found)
    assert found.linked > 500 and found.falsely_linked == 0, found
    assert found.provable_recall > 0.75 and found.recall_with_review > 0.95, found


def test_the_measure_sees_false_links_where_lent_cards_count_as_proof() -> None:
    found = measured(hostile(11, 300), Thresholds(proofs=("id_card", "social_security_card")))
    assert found.falsely_linked > 0 and found.precision < 1
