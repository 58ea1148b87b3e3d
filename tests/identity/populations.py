"""Two worlds of patients with the truth about who is whom: an ordinary one to tune by, a hostile one to report by.

They share no code for names, errors and habits, so that what was tuned to the one is not tuned to the other.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pacsd.identity.id_card import check_character
from pacsd.identity.traits import Traits, traits


@dataclass(frozen=True)
class Entry:
    """What a hospital wrote down, of which human."""

    human: int
    name: str
    birth_date: date | None
    sex: str = ""
    phone: str = ""
    address: str = ""
    id_card: str = ""
    health_card: str = ""
    social_security_card: str = ""
    mother_name: str = ""
    multiple_birth: str = ""

    def traits(self, number: int) -> Traits:
        """As matching sees it, patient `number` of its hospital."""
        row = {name: value for name, value in vars(self).items() if name != "human"}
        return traits({**row, "patient": number, "patient_id": f"P{number}", "organisation": 1,
                       "assigning_authority": f"H{number % 7}"})  # fmt: skip


def _card(draw: random.Random, born: date, sex: str, region: str = "330106") -> str:
    digits = f"{region}{born:%Y%m%d}{draw.randint(0, 99):02d}{draw.choice('13579' if sex == 'M' else '02468')}"
    return digits + check_character(digits)


# the ordinary world ---------------------------------------------------------------------------------------------------

_FAMILIES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂英华玉萍红玲建国志文海波宁云鹏飞"
_LATIN = {"王": "WANG", "李": "LI", "张": "ZHANG", "刘": "LIU", "陈": "CHEN"}


def ordinary(seed: int, humans: int) -> list[Entry]:
    """Humans in one to four hospitals, written down with typing errors, turned names and fields left out."""
    draw = random.Random(f"ordinary {seed}")
    entries = []
    for human in range(humans):
        true = _ordinary_human(draw, human)
        entries += [_ordinary_entry(draw, true) for _ in range(draw.choices((1, 2, 3, 4), (4, 3, 2, 1))[0])]
    draw.shuffle(entries)
    return entries


def _ordinary_human(draw: random.Random, human: int) -> Entry:
    born = date(1930, 1, 1) + timedelta(days=draw.randint(0, 33_000))
    sex = draw.choice("MF")
    given = "".join(draw.choices(_GIVEN, k=draw.choice((1, 2, 2))))
    street = f"{draw.choice('东西南北')}{draw.choice(('大街', '新路', '湖路', '山路'))}{draw.randint(1, 999)}号"
    return Entry(
        human, f"{draw.choice(_FAMILIES)}^{given}", born, sex, f"1{draw.randint(3_000_000_000, 9_999_999_999)}",
        f"{street}{draw.randint(1, 30)}幢{draw.randint(101, 2804)}", _card(draw, born, sex),
        f"EHC{human:08d}{draw.randint(0, 9999):04d}", f"SB{draw.randint(10**8, 10**9)}",
        "".join((draw.choice(_FAMILIES), draw.choice(_GIVEN), draw.choice(_GIVEN))),
    )  # fmt: skip


def _ordinary_entry(draw: random.Random, true: Entry) -> Entry:
    family, given = true.name.split("^")
    name, born, card = true.name, true.birth_date, true.id_card
    if draw.random() < 0.03:
        name = f"{given}^{family}"
    elif draw.random() < 0.04:
        name = f"{family}^{given[:-1]}{draw.choice(_GIVEN)}"
    elif draw.random() < 0.1 and family in _LATIN:
        from pypinyin import lazy_pinyin

        name = f"{_LATIN[family]}^{''.join(lazy_pinyin(given)).upper()}"
    if draw.random() < 0.03 and born is not None:
        born = born.replace(day=draw.randint(1, 28))
    if draw.random() < 0.03:
        at = draw.randrange(6, 17)
        card = card[:at] + str((int(card[at]) + 1) % 10) + card[at + 1 :]
    entry = replace(true, name=name, birth_date=born, id_card=card)
    if draw.random() < 0.2:
        entry = replace(entry, phone=f"1{draw.randint(3_000_000_000, 9_999_999_999)}")
    if draw.random() < 0.25:
        entry = replace(entry, address=true.address[:-4])
    left_out = {"phone": 0.15, "address": 0.3, "id_card": 0.2, "health_card": 0.25, "social_security_card": 0.5,
                "mother_name": 0.8, "sex": 0.02}  # fmt: skip
    return replace(entry, **{field: "" for field, chance in left_out.items() if draw.random() < chance})


# the hostile world ----------------------------------------------------------------------------------------------------

_HOUSES = ("欧阳", "司马", "沈", "韩", "曹", "许", "邓", "萧", "冯", "曾", "程", "蔡", "彭", "潘", "袁", "于", "董")
_CALLED = tuple("晓小一二思子雨宇梓紫涵轩萱欣心怡佳家浩皓")
_DIALECT = {"萧": "肖", "佳": "嘉", "浩": "皓", "欣": "心", "涵": "含", "宇": "雨"}


def hostile(seed: int, families: int) -> list[Entry]:
    """Families with twins, newborns, one phone for all and cards that are lent; namesakes; clerks who mishear."""
    draw = random.Random(f"hostile {seed}")
    humans = iter(range(10**6))
    entries: list[Entry] = []
    for _ in range(families):
        entries += _family(draw, humans)
    entries += _namesakes(draw, humans, families // 4)
    draw.shuffle(entries)
    return entries


def _family(draw: random.Random, humans: Iterator[int]) -> list[Entry]:
    house, phone = draw.choice(_HOUSES), f"15{draw.randint(0, 999_999_999):09d}"
    road = f"{draw.choice(('古墩', '文三', '莫干山', '江南'))}路{draw.randint(1, 400)}-{draw.randint(1, 60)}"
    address = f"{road}^^杭州市^浙江^^CN"
    mother = _adult(draw, next(humans), draw.choice(_HOUSES), "F", phone, address)
    father = _adult(draw, next(humans), house, "M", phone, address)
    twins = _twins(draw, humans, house, mother, phone, address)
    entries = [one for human in (mother, father, *twins) for one in _visits(draw, human)]
    entries += _lent(draw, next(humans), mother) + _lent(draw, next(humans), father, shares=True)
    if draw.random() < 0.5:                      # a twin under the other's identity and social-security cards
        borrowed = replace(twins[0], id_card=twins[1].id_card, social_security_card=twins[1].social_security_card)
        entries += [replace(one, health_card="") for one in _visits(draw, borrowed)]
    return entries + _newborns(draw, humans, mother)


def _adult(draw: random.Random, human: int, house: str, sex: str, phone: str, address: str) -> Entry:
    born = date(1955 + draw.randint(0, 40), draw.randint(1, 12), draw.randint(1, 28))
    return Entry(
        human, f"{house}^{draw.choice(_CALLED)}{draw.choice(_CALLED)}", born, sex, phone, address,
        _card(draw, born, sex, "320102"), f"QR{draw.getrandbits(60):015d}", f"JS{draw.getrandbits(40):013d}",
    )  # fmt: skip


def _twins(
    draw: random.Random, humans: Iterator[int], house: str, mother: Entry, phone: str, address: str
) -> tuple[Entry, Entry]:
    """Names that differ in one character, sometimes only in how it is written."""
    born = date(2000 + draw.randint(0, 20), draw.randint(1, 12), draw.randint(1, 28))
    first, second = draw.choice((("晓", "小"), ("一", "二"), ("梓", "紫"), ("浩", "皓"), ("怡", "佳")))
    last, sex = draw.choice(_CALLED), draw.choice("MF")
    made = [
        Entry(next(humans), f"{house}^{one}{last}", born, sex, phone, address, _card(draw, born, sex, "320102"),
              f"QR{draw.getrandbits(60):015d}", f"JS{draw.getrandbits(40):013d}", mother.name.replace("^", ""),
              draw.choice(("Y", "")))
        for one in (first, second)
    ]  # fmt: skip
    return made[0], made[1]


def _newborns(draw: random.Random, humans: Iterator[int], mother: Entry) -> list[Entry]:
    """One or two, with the mother's phone and address, often her cards, and no name yet."""
    born = date(2026, draw.randint(1, 10), draw.randint(1, 28))
    twins, sex = draw.random() < 0.5, draw.choice("MF")
    plain = mother.name.replace("^", "")
    child = {"M": "子", "F": "女"}[sex]
    told_apart = twins and draw.random() < 0.5
    names = [f"{plain}之大{child}", f"{plain}之小{child}"] if told_apart else [f"{plain}之{child}"] * 2
    found = []
    for name in names[: 2 if twins else 1]:
        entry = replace(mother, human=next(humans), name=name, birth_date=born, sex=sex, mother_name=plain,
                        multiple_birth="Y" if twins and draw.random() < 0.5 else "")  # fmt: skip
        lent = {"id_card": 0.5, "health_card": 0.4, "social_security_card": 0.5}
        kept = replace(entry, **{field: "" for field, chance in lent.items() if draw.random() > chance})
        found += [kept, replace(kept, phone="")]
    return found


def _lent(draw: random.Random, human: int, owner: Entry, *, shares: bool = False) -> list[Entry]:
    """Somebody under another's identity and social-security cards; with or without the name that stands on them."""
    phone = owner.phone if shares else f"17{draw.randint(0, 999_999_999):09d}"
    own_card = "" if draw.random() < 0.5 else f"QR{draw.getrandbits(60)}"
    entry = replace(owner, human=human, phone=phone, health_card=own_card)
    if draw.random() < 0.5:
        own = date(1950 + draw.randint(0, 50), draw.randint(1, 12), draw.randint(1, 28))
        entry = replace(entry, name=f"{draw.choice(_HOUSES)}^{draw.choice(_CALLED)}", birth_date=own)
    return [entry] if draw.random() < 0.7 else [entry, replace(entry, address="")]


def _namesakes(draw: random.Random, humans: Iterator[int], pairs: int) -> list[Entry]:
    """Two humans of one name, birth date and sex, who never met."""
    found = []
    for _ in range(pairs):
        one = _adult(draw, next(humans), draw.choice(_HOUSES), draw.choice("MF"), "", "")
        other = replace(_adult(draw, next(humans), "沈", one.sex, "", ""), name=one.name, birth_date=one.birth_date)
        found += [*_visits(draw, one), *_visits(draw, other)]
    return found


def _visits(draw: random.Random, true: Entry) -> list[Entry]:
    """One to three hospitals, each with its own habits."""
    found = []
    for _ in range(draw.randint(1, 3)):
        name = "".join(_DIALECT.get(char, char) if draw.random() < 0.04 else char for char in true.name)
        entry = replace(true, name=name)
        if draw.random() < 0.03 and entry.birth_date is not None and entry.birth_date.day <= 12:
            born = entry.birth_date
            entry = replace(entry, birth_date=born.replace(month=born.day, day=born.month))
        chances = {"phone": 0.2, "address": 0.4, "id_card": 0.35, "health_card": 0.3, "social_security_card": 0.4,
                   "mother_name": 0.5, "multiple_birth": 0.3}  # fmt: skip
        found.append(replace(entry, **{one: "" for one, chance in chances.items() if draw.random() < chance}))
    return found
