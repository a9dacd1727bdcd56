"""Frozen: values that nobody can change, compared by what they hold."""

from __future__ import annotations

import copy
import pickle

import pytest

from bedrock_resilience.retrying._frozen import Frozen


class Point(Frozen):
    __slots__ = ("x", "y")
    __match_args__ = ("x", "y")

    x: int
    y: int

    def __init__(self, x: int, y: int = 0) -> None:
        if x < 0:
            raise ValueError("x: accepted: >= 0")
        self._set(x=x, y=y)


class Place(Point):
    __slots__ = ()


def test_equal_fields_make_equal_values() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2


def test_another_class_is_another_value() -> None:
    assert Point(1, 2) != Place(1, 2)
    assert Point(1, 2) != (1, 2)
    assert hash(Point(1, 2)) != hash(Place(1, 2))


def test_the_repr_shows_every_field() -> None:
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"
    assert repr(Place(1)) == "Place(x=1, y=0)"


def test_no_field_can_be_set_or_deleted() -> None:
    point = Point(1, 2)
    with pytest.raises(AttributeError, match=r"^Point is frozen: use \.replace\(x=\.\.\.\) to get a changed copy$"):
        point.x = 5
    with pytest.raises(AttributeError, match=r"^Point is frozen: its field 'y' cannot be deleted$"):
        del point.y
    assert point == Point(1, 2)


def test_replace_makes_a_changed_copy_and_checks_it() -> None:
    point = Point(1, 2)
    assert point.replace(y=5) == Point(1, 5)
    assert point.replace() == point
    assert point == Point(1, 2)
    assert point.__replace__(x=3) == Point(3, 2)
    with pytest.raises(ValueError, match="x: accepted: >= 0"):
        point.replace(x=-1)
    with pytest.raises(TypeError, match="z"):
        point.replace(z=1)
    assert type(Place(1).replace(x=2)) is Place


def test_values_survive_pickling_and_copying() -> None:
    assert pickle.loads(pickle.dumps(Place(1, 2))) == Place(1, 2)  # noqa: S301 - our own bytes
    assert copy.deepcopy(Point(1, 2)) == Point(1, 2)


def test_values_match_by_position() -> None:
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
