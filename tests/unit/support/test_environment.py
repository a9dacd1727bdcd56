"""The environment that every test runs in."""

from __future__ import annotations

import os

from support.environment import clean


def test_settings_of_the_machine_are_dropped_in_any_spelling() -> None:
    machine = {"AWS_PROFILE": "mine", "AWS_BEARER_TOKEN_BEDROCK": "x", "https_proxy": "x", "BEDROCK_MODEL_ID": "x"}
    assert not machine.keys() & clean(machine).keys()


def test_the_rest_is_kept() -> None:
    assert clean({"PATH": "/bin", "HOME": "/"}).items() >= {"PATH": "/bin", "HOME": "/"}.items()


def test_this_process_has_made_up_credentials_and_no_configuration() -> None:
    assert os.environ["AWS_ACCESS_KEY_ID"] == "testing"
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-3"
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"
    assert os.environ["AWS_CONFIG_FILE"] == os.devnull
    assert not {"AWS_PROFILE", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_BEARER_TOKEN_BEDROCK"} & os.environ.keys()
