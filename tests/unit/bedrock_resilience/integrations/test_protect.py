"""protect, unprotect and protection_of: what they take, and which module they ask."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import botocore.session
import pytest

from bedrock_resilience import AdaptivePacer, RetryPolicy, protect, unprotect
from bedrock_resilience.integrations import protection_of


class Unknown:
    def __repr__(self) -> str:
        return "Unknown()"


def test_a_target_of_no_known_kind_is_refused() -> None:
    for function in (protect, unprotect):
        with pytest.raises(TypeError, match=rf"^{function.__name__}: target: got Unknown\(\); accepted: a session or"):
            function(Unknown())
    assert protection_of(Unknown()) is None


def test_a_long_text_of_a_target_is_cut() -> None:
    class Model:
        def __repr__(self) -> str:
            return "x" * 101

    with pytest.raises(TypeError) as refused:
        protect(Model())
    assert str(refused.value).startswith(f"protect: target: got {'x' * 100}...; accepted: a session or")


def test_the_client_of_a_chat_model_is_named() -> None:
    class Model(Unknown):
        client = botocore.session.Session()

    with pytest.raises(TypeError, match=r"target: got Unknown\(\); accepted: its attribute client, or a session or"):
        protect(Model())


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(TypeError) as caught:
        protect(Unknown(), policy=3, pacer="slow", listeners=[1], clock=None)  # type: ignore[arg-type,list-item]
    text = str(caught.value)
    assert text.startswith("protect: target: got Unknown(); accepted:")
    assert all(f"; {name}: got " in text for name in ("policy", "pacer", "listeners", "clock"))


@pytest.mark.parametrize(("timeout", "error"), [(0, ValueError), ("60", TypeError)])
def test_a_timeout_that_no_call_could_keep_is_refused(timeout: Any, error: type[Exception]) -> None:  # noqa: ANN401 - of the wrong type, too
    with pytest.raises(error, match=r"^protect: timeout: got .*; accepted: a finite number of seconds > 0, or None$"):
        protect(botocore.session.Session(), timeout=timeout)


def test_listeners_that_are_not_many_are_refused() -> None:
    with pytest.raises(TypeError, match="listeners: got 7"):
        protect(Unknown(), listeners=7)  # type: ignore[arg-type]


def test_no_package_is_loaded_for_a_target_of_none() -> None:
    code = (
        "import sys\nfrom bedrock_resilience import protect\n"
        "try:\n    protect(object())\nexcept TypeError:\n    pass\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'boto3', 'botocore', 'aiobotocore', 'httpx'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_class_is_recognised_by_its_module_and_name() -> None:
    session = type("Session", (), {"__module__": "botocore.session"})
    client = type("Mine", (session,), {})()
    assert protection_of(client) is None
    protect(client, policy=RetryPolicy(1))
    protection = protection_of(client)
    assert protection is not None
    assert protection.policy == RetryPolicy(1)
    assert protection_of(unprotect(client)) is None


def test_auto_is_one_pacer_that_learns_for_each_target() -> None:
    session = botocore.session.get_session()
    protect(session, pacer="auto")
    first = protection_of(session)
    assert first is not None
    assert isinstance(first.pacer, AdaptivePacer)
    protect(session, pacer="auto")
    assert protection_of(session) is first  # what it has learned stays
    protect(session, pacer="auto", policy=RetryPolicy(max_retries=1))
    changed = protection_of(session)
    assert changed is not None
    assert changed.pacer is first.pacer
    assert changed.mantle_pacer is first.mantle_pacer is not None
    protect(session, pacer=AdaptivePacer())
    replaced = protection_of(session)
    assert replaced is not None
    assert replaced.pacer is not first.pacer


def test_another_word_for_a_pacer_is_refused() -> None:
    wrong: Any = "adaptive"
    with pytest.raises(ValueError, match=r"^protect: pacer: got 'adaptive'; accepted: a pacer, .*'auto', or None$"):
        protect(botocore.session.get_session(), pacer=wrong)
