"""One object gets a class of its own, and its old class back."""

from __future__ import annotations

from bedrock_resilience.integrations._class_bases import add_base, remove_base, with_base


class Plain:
    """Of two words."""


class Loud:
    def speak(self) -> str:
        return "!"


class Other:
    pass


def test_a_class_with_a_base_looks_like_the_class() -> None:
    made = with_base(Plain, Loud)
    assert (made.__name__, made.__module__, made.__doc__, made.__bases__) == (
        Plain.__name__,
        Plain.__module__,
        Plain.__doc__,
        (Loud, Plain),
    )


def test_one_object_gets_the_base_once_and_loses_it() -> None:
    one, another = Plain(), Plain()
    add_base(one, Loud)
    given = type(one)
    add_base(one, Loud)
    assert type(one) is given
    assert isinstance(one, Loud)
    assert not isinstance(another, Loud)
    remove_base(one, Loud)
    assert type(one) is Plain


def test_a_class_that_was_changed_again_stays() -> None:
    one = Plain()
    add_base(one, Loud)
    add_base(one, Other)
    remove_base(one, Loud)
    assert isinstance(one, Loud)
