"""Words, sentences and names in a text, by shape alone."""

from __future__ import annotations

import functools
import re
from typing import Final

_APOSTROPHES: Final = "'\N{RIGHT SINGLE QUOTATION MARK}"

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[\"'«(]?[A-ZÀ-Þ0-9])|\n+")
_STEM_CHARACTERS: Final = 6

_CAPITALISED: Final = rf"[A-ZÀ-Þ][\w&{_APOSTROPHES}-]*"
_NAME: Final = re.compile(rf"{_CAPITALISED}(?:[ ](?:(?:of|de|du|van|von|&)[ ])?{_CAPITALISED})*")
_ORDINARY: Final = frozenset(  # a list of 150 literals would only be longer
    """a about after all also although an and any are as at be because before both but by can could did do does during
    each few first for from further had has have having he her here his how however i if in into is it its itself last
    more most moreover my new no nor not now of on once one only or other our out over own she should since so some
    such than that the their them then there these they this those through to today too two under until up very was we
    were what when where which while who whom why will with would yesterday you your dear hello please thank thanks
    yes le la les un une des et ou mais dans pour par sur avec ce cette ces il elle nous vous ils january february
    march april may june july august september october november december monday tuesday wednesday thursday friday
    saturday sunday phase""".split()  # noqa: SIM905 - see above
)

_ORGANISATION: Final = re.compile(
    rf"(?:{_CAPITALISED}[ ]){{1,4}}"
    r"(?:AB|AG|Biologics|Biopharma|Biosciences|Biotech|Bank|Company|Corp|Corporation|Foundation|GmbH|Group|Holdings|Inc|"
    r"Institute|KGaA|LLC|Laboratories|Labs|Limited|Ltd|NV|Pharma|Pharmaceutical|Pharmaceuticals|plc|SA|SAS|SE|"
    r"Therapeutics|University)\b"
)
_MARKED: Final = re.compile(r"(?P<name>[A-ZÀ-Þ][\w-]*)(?=[®™])")
# Stems of international non-proprietary names (WHO, "The use of stems").
_SUBSTANCE: Final = re.compile(
    r"\b[A-Za-z]{3,}(?:afil|azole|caine|cillin|estrel|gepant|gliflozin|gliptin|glutide|mab|mycin|nib|olol|orphine|parib|"
    r"peridone|perazine|piprazole|pine|reotide|relin|sartan|statin|tegravir|tide|trexate|trexone|triptan|vir|virine)\b"
)

_CONDITION: Final = re.compile(
    r"\b(?:type [12] diabetes|acromegaly|depression|diabetes|epilepsy|obesity|"
    r"(?!diagnosis|prognosis)[A-Za-z-]*(?:aemia|algia|emia|itis|osis|oma|pathy|phrenia|plegia)|"
    r"(?:[A-Za-z-]+ ){1,2}(?:cancer|dependence|disease|disorder|infection|pain|syndrome))\b"
)
_TECHNOLOGY: Final = re.compile(
    r"\b(?:(?:biodegradable|depot|extended-release|injectable|in situ|long-acting|once-monthly|once-weekly|"
    r"prolonged-release|slow-release|subcutaneous|sustained-release|transdermal|[A-Z][\w-]+)[ ])+"
    r"(?:delivery system|depot|formulation|gel|implant|injectable|injection|microspheres|patch|platform|technology)s?\b"
)

# Stem of a word of a property's name -> the shape of such names.
_SHAPES: Final = {
    **dict.fromkeys(("compan", "organi", "organs", "firm", "manufa", "sponso", "instit"), _ORGANISATION),
    **dict.fromkeys(("tradem", "brand", "produc"), _MARKED),
    **dict.fromkeys(("molecu", "drug", "substa", "compou", "ingred", "activ"), _SUBSTANCE),
    **dict.fromkeys(("indica", "diseas", "condit", "disord", "illnes"), _CONDITION),
    **dict.fromkeys(("techno", "formul", "platfo"), _TECHNOLOGY),
}


def stem(word: str) -> str:
    """The first six letters without a plural s: crude, but it matches ``regulatory`` with ``regulators``."""
    return word.lower().removesuffix("s")[:_STEM_CHARACTERS]


def words(text: str) -> list[str]:
    """The words of a text or of a name such as ``clinical_update`` or ``eventType``, in lower case."""
    spaced = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", text.replace("_", " "))
    return [word.lower() for word in _WORD.findall(spaced)]


@functools.lru_cache(maxsize=256)
def stems(text: str) -> frozenset[str]:
    """The stems of all words of a text, without function words."""
    return frozenset(stem(word) for word in words(text) if word not in _ORDINARY)


def sentences(text: str) -> list[str]:
    """The sentences (and headings) of a text."""
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def appears_in(name: str, text: str) -> bool:
    """Whether the text contains the name, in any case and not as a part of a longer word."""
    if name.casefold() not in text.casefold():  # by far the most frequent case, and quick
        return False
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def names(text: str) -> list[str]:
    """Capitalised words and sequences of them, without ordinary words that merely begin a sentence."""
    found = (_without_ordinary(match.group()) for match in _NAME.finditer(text))
    return list(dict.fromkeys(name for name in found if len(name) > 1))


def _without_ordinary(name: str) -> str:
    parts = name.split(" ")
    while parts and parts[0].lower() in _ORDINARY:
        del parts[0]
    return " ".join(parts)


def shaped(wanted: frozenset[str], text: str) -> list[str] | None:
    """Names of the wanted kind, recognised by their shape; None for a kind without a known shape.

    Args:
        wanted: Stems of the words that name the kind, such as those of the property ``companies``.
        text: The text to search.
    """
    shapes = [shape for kind, shape in _SHAPES.items() if kind in wanted]
    if not shapes:
        return None
    return list(dict.fromkeys(_without_ordinary(match.group()) for match in shapes[0].finditer(text)))
