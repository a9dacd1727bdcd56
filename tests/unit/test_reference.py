"""The reference agrees with the code: its pages are made of it, and every public name and every error is there."""

from __future__ import annotations

import re

import pytest

from bedrock_resilience import Fault, RetryPolicy, classify, errors
from bedrock_resilience.testing import bedrock_error
from support import reference, reference_tables, surface
from support.pages import ROOT
from vectora_normalize.contract import ErrorType
from vectora_normalize.settings import Settings

TABLE = reference.TABLE


def test_the_pages_are_what_the_code_says() -> None:
    pages = reference.generated()
    present = {path.name: path.read_text("utf-8") for path in pages if path.exists()}
    assert present == {path.name: text for path, text in pages.items()}, "run `make reference`"
    assert set((reference.REFERENCE / "errors").glob("*.md")) <= set(pages), "run `make reference`"


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("fault", {fault.value for fault in Fault}),
        ("exception", set(errors.__all__)),
        ("lambda_error", set(ErrorType)),
        ("lambda_exception", set(reference.exceptions_of("vectora_normalize"))),
    ],
)
def test_every_error_of_the_code_has_a_page(group: str, names: set[str]) -> None:
    assert set(TABLE[group]) == names


# What a part of the library raises and handles itself, and one class of a fault that is no exception.
INTERNAL = {
    "NoAnswerError": "a client of a simulation abandons its request",
    "RefusedError": "the service of a simulation refuses a request",
    "ServiceError": "the emulator sends it as an HTTP response",
    "SimulationStalledError": "a simulation cannot go on: a mistake in the library",
    "StreamError": "the emulator injects it into a stream",
}


def test_every_exception_of_the_code_is_exported() -> None:
    assert set(reference.exceptions_of("bedrock_resilience")) - set(INTERNAL) <= set(errors.__all__)


def test_every_error_of_the_service_model_has_a_page() -> None:
    botocore = pytest.importorskip("botocore.session")
    model = botocore.get_session().get_service_model("bedrock-runtime")
    assert {shape.name for shape in model.error_shapes} <= set(TABLE["service"])


def test_an_error_page_has_a_meaning_a_remedy_and_links_that_exist() -> None:
    for page in reference.error_pages():
        assert page.meaning.endswith((".", "`")), page.name
        assert page.remedy, page.name
        assert all(sentence.endswith(".") for sentence in page.remedy), page.name
        assert page.links, page.name
        assert all((ROOT / "docs" / path).exists() for _, path in page.links), page.name


def test_a_client_error_is_one_of_botocore_and_has_its_message() -> None:
    for name, entry in TABLE["client"].items():
        cls = getattr(pytest.importorskip(entry.get("module", "botocore.exceptions")), name)
        # The fixed words of the message: what users search for. botocore fills in the rest.
        words = [part.strip(" .\"'()\n") for part in re.split(r"\{\w+\}", getattr(cls, "fmt", ""))]
        assert all(word in entry["message"] for word in words), name


def test_the_texts_of_throttles_are_read_as_their_faults() -> None:
    (too_many_tokens, per_day) = TABLE["service"]["ThrottlingException"]["messages"]
    assert classify(bedrock_error("ThrottlingException", message=too_many_tokens)) is Fault.THROTTLING
    assert classify(bedrock_error("ThrottlingException", message=per_day)) is Fault.TOKENS_PER_DAY
    _, on_demand, identifier = TABLE["service"]["ValidationException"]["messages"]
    assert classify(bedrock_error("ValidationException", message=on_demand)) is Fault.NOT_FOUND
    assert classify(bedrock_error("ValidationException", message=identifier)) is Fault.NOT_FOUND


def test_every_public_name_is_in_the_index_with_a_summary() -> None:
    text = (reference.REFERENCE / "api-index.md").read_text("utf-8")
    for module in surface.modules():
        for name in [] if module in surface.OPTIONAL or module == "bedrock_resilience" else surface.names(module):
            assert re.search(rf"^\| .*`{name}`.* \| \S.*\. \|$", text, re.MULTILINE), f"{module}.{name}"


def test_every_environment_variable_is_described_with_its_default() -> None:
    described = TABLE["environment"]
    assert list(described["policy"]) == list(RetryPolicy().to_env())
    assert set(described["lambda"]) == reference_tables.variables_of_the_lambda()
    required = {"CONFIG_BUCKET": "config", "DATA_BUCKET": "data"}
    for name, entry in described["lambda"].items():
        if "default" in entry:
            given = Settings.from_env({**required, name: entry["default"]})
            assert given == Settings.from_env(required), name


def test_the_code_reads_no_other_variable() -> None:
    """Every name in ``os.environ`` of the sources is described, but those of the clients that the emulator starts."""
    described = {name for group in TABLE["environment"].values() for name in group}
    read = {
        name
        for path in sorted(reference.SRC.rglob("*.py"))
        for name in re.findall(r"""environ(?:\.get\(|\[)"([A-Z_]+)""", path.read_text("utf-8"))
    }
    assert read <= described


def test_every_metric_of_the_lambda_is_described() -> None:
    assert set(TABLE["metric"]) == reference_tables.metrics_of_the_lambda()
    assert len(reference_tables.emf_metrics()) == 14
