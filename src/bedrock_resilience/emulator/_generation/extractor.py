"""The default responder: not a language model, but a deterministic filling of JSON schemas from the request.

The input of a tool, or a response with a JSON schema, is made of the names, numbers, dates and sentences of the user's
last message. Without a schema the response is a text that begins with ``DISCLAIMER`` and quotes the message.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from bedrock_resilience.emulator._protocol.conversation import ANY, NO_TOOL
from bedrock_resilience.emulator._protocol.generation import Generation
from bedrock_resilience.emulator._protocol.jsonvalues import JsonObject, as_list, as_object, is_number, objects
from bedrock_resilience.emulator._protocol.schemas import resolve

if TYPE_CHECKING:
    from bedrock_resilience.emulator._protocol.conversation import Conversation, Tool

DISCLAIMER: Final = (
    "This is the Bedrock emulator of bedrock-resilience, not a language model: it only quotes the request."
)
"""The text that every generated response contains."""

_MAX_DEPTH: Final = 24
_MAX_VALUES: Final = 4_000  # beyond either, values are null
_MAX_SIZE: Final = 10_000  # characters of a string, members of a list
_MAX_NAMES: Final = 20
_MAX_QUOTED_CHARACTERS: Final = 400

# The part of a prompt that is its material: between tags, or between fences.
_TAGGED: Final = re.compile(r"<(?P<tag>[A-Za-z][\w.-]*)(?:\s[^<>]*)?>(?P<body>.*?)</(?P=tag)\s*>", re.DOTALL)
_FENCED: Final = re.compile(r"^(?P<fence>`{3}|\"{3}|-{3,})[^\n]*\n(?P<body>.*?)^(?P=fence)", re.DOTALL | re.MULTILINE)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>")
# A labeled list of the prompt around it: ``companies: Acme; Emca``, or bullets below a label.
_LABELLED: Final = re.compile(r"\W*(?P<label>[^\n:.!?,]{2,60}?)\W*:[ \t]*(?P<rest>.*)")
_BULLET: Final = re.compile(r"\s*(?:[-*•]|\d+[.)])\s+(?P<rest>\S.*)")

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?![a-zà-ÿ])|(?<=[\u3002\uff01\uff1f])(?!$)|\n+")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_CASE_CHANGE: Final = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])|_")
_NAME_PART: Final = re.compile(r"[^\W\d_][\w&'\N{RIGHT SINGLE QUOTATION MARK}-]*")
_QUOTED: Final = re.compile(
    r"(?<!\w)[\"'«\N{LEFT DOUBLE QUOTATION MARK}]\s*([^\"'«»\N{RIGHT DOUBLE QUOTATION MARK}\n]{1,80}?)"
    r"\s*[\"'»\N{RIGHT DOUBLE QUOTATION MARK}](?!\w)"
)
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d+(?:[,\u202f ]\d{3})*(?:\.\d+)?(?!\w)")
_DATE: Final = re.compile(
    r"\b(?:(\d{4})-(\d{2})-(\d{2})(?!\d)"  # 2026-05-03
    r"|(\d{1,2})(?:st|nd|rd|th)? ([A-Z][a-z]{2,8})\.? (\d{4})"  # 3 May 2026
    r"|([A-Z][a-z]{2,8})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}))"  # May 3, 2026
)
_MONTHS: Final = "janfebmaraprmayjunjulaugsepoctnovdec"
_ORDINARY: Final = frozenset(  # function words, and those that are only capitalized if a sentence begins
    """a about after all also an and any are as at be because but by call can could did do does for from get give had
    has have he hello her his how i if in into is it its last many me more much my new no not of on one or our out
    please she since so some such tell than thank that the their them then there these they this those to two up us use
    was we were what when where which while who why will with would yes you your la le les un une des et ou mais dans
    pour par sur avec ce cette ces il elle nous vous""".split()  # noqa: SIM905 - 100 literals would only be longer
)
_OTHER: Final = ("other", "others", "unknown", "none", "unspecified", "misc", "autre", "n/a")
_FORMATS: Final = {  # a pattern of such a value in a text, and the value if there is none
    "date-time": (r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})", "1970-01-01T00:00:00Z"),
    "email": (r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", "nobody@example.com"),
    "time": (r"\b\d{2}:\d{2}:\d{2}Z", "00:00:00Z"),
    "uri": (r"https?://[^\s<>\"']+[^\s<>\"'.,;)]", "https://example.com/"),
    "uuid": (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
}
# Words of a property to the shape of such names, if they have one; other names are capitalized words. Substances end
# in the stems of international non-proprietary names (WHO, "The use of stems").
_SHAPES: Final = {
    "compan": r"(?:[A-Z][\w-]* ){1,4}(?:AB|AG|Corporation|GmbH|Group|Inc|Institute|Labs|Ltd|Pharma|SA|SE|University)\b",
    "tradem": r"[A-Z][\w-]*(?=[®™])",
    "molecu": r"\b[A-Za-z]{3,}(?:caine|mab|nib|olol|orphine|peridone|piprazole|relin|statin|tide|trexone|vir)\b",
    "indica": r"\b(?:[a-z]+(?:emia|osis|phrenia)|(?:[A-Za-z-]+ ){1,2}(?:cancer|disease|disorder|syndrome))\b",
    "techno": r"\b(?:(?:long-acting|monthly|subcutaneous) )+(?:depot|formulation|gel|implant|injection)s?\b",
}
_NAMED: Final = frozenset({"author", "city", "compan", "countr", "drug", "locati", "name", "person", "place", "produc"})


def extract(conversation: Conversation) -> Generation:
    """A response made of the request itself; the same request always gets the same response."""
    text, hints = _material(conversation)
    prompt = f"{conversation.system}\x1e{[turn.content for turn in conversation.messages]!r}"
    identity = hashlib.sha256(prompt.encode("utf-8", "backslashreplace")).hexdigest()
    reasoning = {"text": DISCLAIMER, "signature": identity}
    before: tuple[JsonObject, ...] = (
        ({"reasoningContent": {"reasoningText": reasoning}},) if conversation.thinking else ()
    )
    tool = _tool(conversation, text)
    if tool is not None:
        made = _Filler(text, hints, tool.schema).value(tool.schema)
        use = {"toolUseId": f"tooluse_{identity[:22]}", "name": tool.name, "input": made}
        return Generation((*before, {"toolUse": use}), "tool_use")
    schema = conversation.response_schema
    if schema is None:
        return Generation((*before, {"text": f"{DISCLAIMER}\n{_quotation(text)}".strip()}))
    filled = json.dumps(_Filler(text, hints, schema).value(schema), ensure_ascii=False)
    return Generation((*before, {"text": filled}))


def _tool(conversation: Conversation, text: str) -> Tool | None:
    """The tool to use: the forced one, or the one that shares most words with the text, if one must be used or matches.

    Tool results get a text response, so that a loop of tool uses ends.
    """
    if conversation.forced_tool is not None:
        return conversation.forced_tool
    if conversation.tool_choice == NO_TOOL or not conversation.tools:
        return None
    shared = {tool.name: len(_stems(f"{tool.name} {tool.description}") & _stems(text)) for tool in conversation.tools}
    best = max(conversation.tools, key=lambda tool: shared[tool.name])
    fits = shared[best.name] > 0 and not conversation.last_user_message.has_tool_results
    return best if fits or conversation.tool_choice == ANY else None


def _material(conversation: Conversation) -> tuple[str, dict[str, list[str]]]:
    """The text to read, and the labeled lists of the prompt around it: label to members."""
    message = conversation.last_user_message.text
    delimited = [*_TAGGED.finditer(message)] or [*_FENCED.finditer(message)]
    text = delimited[-1]["body"] if delimited else message
    hints: dict[str, list[str]] = {}
    label = ""
    for line in [*conversation.system.splitlines(), *message.replace(text, "").splitlines()]:
        listed = _BULLET.match(line) if label else None
        labelled = None if listed else _LABELLED.match(line)
        label = labelled["label"] if labelled else label
        rest = (labelled or listed or {"rest": ""})["rest"]
        separator = next((mark for mark in ";|" if mark in rest), ",")  # a name may contain the other marks
        hints.setdefault(label, []).extend(name for part in rest.split(separator) if (name := part.strip(" \"'`[].")))
    return (_TAG.sub("\n", text).strip() if delimited else text), hints


def _stems(text: str) -> frozenset[str]:
    """The first six letters of the words, without a plural s: they match ``regulatory`` with ``regulators``."""
    words = [word.lower() for word in _WORD.findall(_CASE_CHANGE.sub(" ", text))]
    return frozenset(word.removesuffix("s")[:6] for word in words if word not in _ORDINARY)


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def _quotation(text: str) -> str:
    """The first sentences of a text."""
    quoted = ""
    for sentence in _sentences(text):
        if quoted and len(quoted) + len(sentence) >= _MAX_QUOTED_CHARACTERS:
            break
        quoted = f"{quoted} {sentence}".strip()
    return quoted[:_MAX_QUOTED_CHARACTERS]


def _first_date(text: str) -> str:
    """The first date of a text, in the form of RFC 3339; empty without one."""
    for match in _DATE.finditer(text):
        parts = [part for part in match.groups() if part]
        year, month, day = parts if match[1] else parts[::-1] if match[4] else (parts[2], parts[0], parts[1])
        number = int(month) if month.isdigit() else _MONTHS.find(month[:3].lower()) // 3 + 1
        with contextlib.suppress(ValueError):  # there is no such day or month
            return dt.date(int(year), number, int(day)).isoformat()
    return ""


def _capitalised(text: str) -> list[str]:
    """Words that begin with a capital and sequences of them, and the words of scripts that have no capitals."""
    names: list[str] = []
    end = -1
    for match in _NAME_PART.finditer(text):
        word = match.group()
        if word[0].islower() or word.lower() in _ORDINARY:
            continue
        if names and text[end : match.start()] == " " and word[0].isupper():
            names[-1] += f" {word}"
        else:
            names.append(word)
        end = match.end()
    return names


def _appears(name: str, text: str) -> bool:
    """Whether the text contains the name, in any case and not as a part of a longer word."""
    if name.casefold() not in text.casefold():  # by far the most frequent case, and quick
        return False
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


class _Filler:
    """Fills one schema from one text; ``path`` is the properties and references that lead to a value."""

    def __init__(self, text: str, hints: dict[str, list[str]], root: JsonObject) -> None:
        self._text, self._hints, self._root = text, hints, root
        self._stems = _stems(text)
        self._numbers = [_number(found) for found in _NUMBER.findall(_DATE.sub(" ", text))]  # those not used yet
        self._made = 0

    def value(self, schema: JsonObject, name: str = "", path: tuple[str, ...] = ()) -> Any:  # noqa: ANN401, PLR0911 - any JSON; one return a kind
        """The value of the property ``name``."""
        self._made += 1
        if len(path) > _MAX_DEPTH or self._made > _MAX_VALUES:
            return None
        schema, path = self._resolved(schema, path)
        options = as_list(schema.get("enum"))
        alternatives = objects(schema.get("anyOf")) or objects(schema.get("oneOf"))
        if "const" in schema:
            return schema["const"]
        if options:
            return self._option(options, str(schema.get("description", "")))
        if alternatives:
            return self._alternative(schema, alternatives, name, path)
        match _kind(schema):
            case "object":
                return self._object(schema, path)
            case "array":
                return self._array(schema, name, path)
            case "number" | "integer" as kind:
                return _bounded(self._number(name), schema, whole=kind == "integer")
            case "boolean":
                return bool(_stems(name)) and _stems(name) <= self._stems
            case "null":
                return None
            case _:
                made = self._string(schema, name)
                nullable = "null" in (as_list(schema.get("type")) or [])
                return None if nullable and not _matches(made, schema) else made

    def _resolved(self, schema: JsonObject, path: tuple[str, ...]) -> tuple[JsonObject, tuple[str, ...]]:
        """The schema with its references followed and its ``allOf`` merged."""
        for _ in range(_MAX_DEPTH):
            parts = objects(schema.get("allOf"))
            if "$ref" in schema:
                path = (*path, str(schema["$ref"]))
                parts.append(resolve(self._root, schema["$ref"]) or {})
            schema = {keyword: value for keyword, value in schema.items() if keyword not in {"$ref", "allOf"}}
            for part in parts:
                schema = _merged(schema, part)
        return schema, path

    def _alternative(self, schema: JsonObject, options: list[JsonObject], name: str, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON
        """The first alternative that can be kept to; those that recur, and null, come last."""
        beside = {keyword: value for keyword, value in schema.items() if keyword not in {"anyOf", "oneOf"}}
        made: list[Any] = []
        for option in sorted(options, key=lambda each: (_recurs(each, path), each.get("type") == "null")):
            merged, inner_path = self._resolved(_merged(beside, option), path)
            made.append(self.value(merged, name, inner_path))
            if _matches(made[-1], merged):
                return made[-1]
        return made[0]

    def _object(self, schema: JsonObject, path: tuple[str, ...]) -> dict[str, Any]:
        properties = as_object(schema.get("properties")) or {}
        required = [key for key in as_list(schema.get("required")) or [] if isinstance(key, str)]
        inner = {key: properties.get(key, schema.get("additionalProperties")) for key in [*properties, *required]}
        return {
            key: self.value(as_object(value) or {}, key, (*path, key))
            for key, value in inner.items()
            if value is not False and (key in required or not _recurs(value, path))
        }

    def _array(self, schema: JsonObject, name: str, path: tuple[str, ...]) -> list[Any]:
        low = _size(schema, "minItems", 0)
        items = schema.get("items", True)
        made = [self.value(part, name, (*path, "")) for part in objects(schema.get("prefixItems"))]
        if items is not False and not _recurs(items, path):
            made += self._members(as_object(items) or {}, name, str(schema.get("description", "")), path)
        while len(made) < low and self._made <= _MAX_VALUES:
            made.append(self.value(as_object(items) or {}, name, (*path, "")))
        return made[: _size(schema, "maxItems", max(_MAX_NAMES, low))]

    def _members(self, items: JsonObject, name: str, description: str, path: tuple[str, ...]) -> list[Any]:
        """The members that the text has: names, numbers, the options that it mentions, or one object."""
        items, path = self._resolved(items, path)
        if items.keys() & {"anyOf", "oneOf", "const"} or _kind(items) == "object":
            return [self.value(items, name, (*path, ""))]
        if as_list(items.get("enum")):
            return [option for option in items["enum"] if isinstance(option, str) and self._score(option) > 0]
        if _kind(items) in {"integer", "number"}:
            numbers, self._numbers = self._numbers, []
            return [_bounded(number, items, whole=_kind(items) == "integer") for number in numbers]
        if _kind(items) != "string" or items.keys() & {"format", "pattern"}:
            return []
        question = f"{name} {items.get('title', '')}"
        return [
            _fitted(found, items) for found in self._names(question, f"{description} {items.get('description', '')}")
        ]

    def _option(self, options: list[Any], description: str) -> Any:  # noqa: ANN401 - any JSON
        """The option that matches best; without any, one that means ``other``; else the first."""
        texts = [option for option in options if isinstance(option, str)]
        best = max(texts, key=lambda option: self._score(option, description), default=options[0])
        if not texts or self._score(best, description) > 0:
            return best
        return next((option for option in texts if option.lower() in _OTHER), texts[0])

    def _score(self, option: str, description: str = "") -> float:
        """How well the text matches an option: 2 for all of its own words, 1 for each word that the prompt adds.

        A description (``regulatory: approval, submission; ...``) and the labeled lists of the prompt add words.
        """
        own = _stems(option)
        explained = re.search(rf"\b{re.escape(option)}\b[\"'`]*\s*[:=(]\s*([^;\n)]*)", description)
        listed = [" ".join(names) for label, names in self._hints.items() if label.casefold() == option.casefold()]
        further = _stems(" ".join([*listed, explained[1] if explained else ""])) - own
        score = 2 * len(own & self._stems) / max(1, len(own)) + len(further & self._stems)
        return 0 if option.lower() in _OTHER else score or _appears(option, self._text)

    def _names(self, question: str, description: str = "") -> list[str]:
        """Names of one kind: those that the prompt lists and the text contains, then those of the kind's shape."""
        wanted = _stems(question)
        shared = {label: len(_stems(label) & wanted) for label in self._hints}
        labels = [label for label in shared if shared[label] == max(shared.values()) > 0]
        after = re.search(r"(?::|such as|e\.g\.|one of|among)\s*(.+)", description)
        described = re.split(r"[,;|]|\bor\b|\band\b", after[1]) if after else []
        listed = [name for label in labels for name in self._hints[label]] + [
            part.strip(" .\"'`") for part in described
        ]
        found = [name for name in dict.fromkeys(listed) if len(name) > 1 and _appears(name, self._text)]
        shape = next((shape for kind, shape in _SHAPES.items() if kind in wanted), None)
        # ``Acme`` and ``Acme AB`` are one name; the prompt's spelling takes precedence over that of the text.
        for name in re.findall(shape, self._text) if shape else _capitalised(self._text):
            if not any(_appears(name, known) or _appears(known, name) for known in found):
                found.append(name)
        return found[:_MAX_NAMES]

    def _number(self, name: str) -> float:
        """The number of a sentence that has a word of the name; else the first one not used yet; else 0."""
        sentences = [_DATE.sub(" ", each) for each in _sentences(self._text) if _stems(name) & _stems(each)]
        beside = [_number(match.group()) for each in sentences if (match := _NUMBER.search(each))]
        chosen = next((number for number in [*beside, *self._numbers] if number in self._numbers), 0.0)
        if chosen in self._numbers:
            self._numbers.remove(chosen)
        return chosen

    def _string(self, schema: JsonObject, name: str) -> str:
        kind = str(schema.get("format"))
        if kind == "date":
            return _first_date(self._text) or "1970-01-01"
        if kind in _FORMATS:
            pattern, otherwise = _FORMATS[kind]
            return found.group() if (found := re.search(pattern, self._text)) else otherwise
        made = _fitted(self._phrase(name, str(schema.get("description", ""))), schema)
        candidates = [made, *self._text.split(), "0", "a", "A", "0000", "AA", ""]
        return next((text for text in candidates if _matches(text, schema)), made)

    def _phrase(self, name: str, description: str) -> str:
        """A title, a date, a language or a name (in quotation marks first) if the property is one; else a quotation."""
        wanted = _stems(name)
        if wanted & {"title", "headli", "subjec"}:
            return next(iter(_sentences(self._text)), "")
        if wanted & {"date", "day"}:
            return _first_date(self._text)
        if wanted & _NAMED:
            return next(iter([*_QUOTED.findall(self._text), *self._names(name, description)]), "")
        return "en" if "langua" in wanted else _quotation(self._text)


def _merged(schema: JsonObject, other: JsonObject) -> JsonObject:
    """Both schemas in one; the first takes precedence."""
    merged: dict[str, Any] = {**other, **schema}
    if "properties" in schema and "properties" in other:
        merged["properties"] = {**(as_object(other["properties"]) or {}), **(as_object(schema["properties"]) or {})}
    if "required" in schema and "required" in other:
        merged["required"] = [*(as_list(schema["required"]) or []), *(as_list(other["required"]) or [])]
    return merged


def _kind(schema: JsonObject) -> str:
    """The type; the first that is not null of several."""
    types = as_list(schema.get("type")) or [schema.get("type") or _implied_type(schema)]
    return min(map(str, types), key=lambda kind: kind == "null")


def _implied_type(schema: JsonObject) -> str:
    if schema.keys() & {"properties", "required", "additionalProperties"}:
        return "object"
    return "array" if schema.keys() & {"items", "prefixItems", "minItems"} else "string"


def _recurs(schema: object, path: tuple[str, ...]) -> bool:
    """Whether a schema or its items refer to one that the path has already been through."""
    fields = as_object(schema) or {}
    return any(part.get("$ref") in path for part in (fields, as_object(fields.get("items")) or {}))


def _size(schema: JsonObject, keyword: str, otherwise: int) -> int:
    given: Any = schema.get(keyword)
    return min(max(0, int(given)), _MAX_SIZE) if is_number(given) else otherwise


def _fitted(text: str, schema: JsonObject) -> str:
    """The text within ``minLength`` and ``maxLength``."""
    return text[: _size(schema, "maxLength", len(text))].ljust(_size(schema, "minLength", 0), ".")


def _matches(made: object, schema: JsonObject) -> bool:
    """Whether a string keeps to the pattern and the lengths; values of other types are made to."""
    try:
        return not isinstance(made, str) or (
            bool(re.search(str(schema.get("pattern", "")), made)) and _fitted(made, schema) == made
        )
    except re.error:
        return True  # nothing can be compared with a pattern that is none


def _bounded(value: float, schema: JsonObject, *, whole: bool) -> float:
    """The nearest number within the bounds."""
    least = 1.0 if whole else 1e-3  # beyond an exclusive bound
    low = max(_edge(schema, "minimum", -math.inf), _edge(schema, "exclusiveMinimum", -math.inf) + least)
    high = min(_edge(schema, "maximum", math.inf), _edge(schema, "exclusiveMaximum", math.inf) - least)
    value = min(max(value, low), high)
    value = float(math.ceil(value) if math.ceil(value) <= high else math.floor(value)) if whole else value
    return int(value) if value.is_integer() else value


def _edge(schema: JsonObject, keyword: str, otherwise: float) -> float:
    given: Any = schema.get(keyword)
    return float(given) if is_number(given) else otherwise


def _number(text: str) -> float:
    return float(re.sub(r"[^\d.-]", "", text))
