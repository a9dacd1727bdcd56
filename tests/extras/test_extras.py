"""Each extra is installed alone and used for what it is for."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

from support.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.installed import Installed

TESTED = {
    "aws",
    "cli",
    "httpx",
    "normalize",
    "otel",
    "plot",
    "powertools",
    "prometheus",
    "structlog",
    "testing",
    "tls",
}

RETRY = """
from bedrock_resilience import RetryPolicy

class ThrottlingException(Exception):
    response = {"Error": {"Code": "ThrottlingException", "Message": ""}}

responses = [ThrottlingException(), "response"]

def invoke_model():
    response = responses.pop(0)
    if isinstance(response, Exception):
        raise response
    return response

print(RetryPolicy(base_delay=0.0).call(invoke_model), len(responses))
"""


def test_every_extra_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["optional-dependencies"]) == TESTED
    assert project["dependencies"] == []


def test_the_core_stands_alone_and_retries(core: Installed) -> None:
    assert core.packages() == {"bedrock-resilience"}
    assert core.python(RETRY) == "response 0\n"


def test_only_the_cli_and_testing_import_third_party_packages(core: Installed) -> None:
    code = """
import bedrock_resilience, importlib, pkgutil
for module in pkgutil.walk_packages(bedrock_resilience.__path__, "bedrock_resilience."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:
        print(".".join(module.name.split(".")[:2]), missing.name)
"""
    needs = {tuple(line.split()) for line in core.python(code).splitlines()}
    assert {module for module, _ in needs} <= {"bedrock_resilience.cli", "bedrock_resilience.testing"}
    assert {package for _, package in needs} <= {"typer", "rich", "hypothesis", "pytest"}


def test_the_core_names_the_extra_that_is_missing(core: Installed) -> None:
    code = """
import bedrock_resilience
try:
    bedrock_resilience.bedrock_runtime_client("eu-west-3")
except ImportError as error:
    print(error)
"""
    assert "bedrock-resilience[aws]" in core.python(code)
    assert "bedrock-resilience[cli]" in core.run("bedrock-resilience", "schedule", ends_with=1)
    assert "bedrock-resilience[normalize,cli]" in core.run("vectora-normalize", "run", ends_with=1)


def test_aws_makes_a_client(install: Callable[[str], Installed]) -> None:
    code = """
from bedrock_resilience import bedrock_runtime_client
client = bedrock_runtime_client("eu-west-3", workers=12)
print(client.meta.service_model.service_name, client.meta.region_name, client.meta.config.max_pool_connections)
"""
    service, region, pool = install("aws").python(code).split()
    assert (service, region) == ("bedrock-runtime", "eu-west-3")
    assert int(pool) >= 12


def test_cli_prints_the_schedule(install: Callable[[str], Installed]) -> None:
    cli = install("cli")
    assert "boto3" not in cli.packages()
    assert "0.5" in cli.run("bedrock-resilience", "schedule")


def test_httpx_protects_a_client(install: Callable[[str], Installed]) -> None:
    code = """
import httpx, httpx2
from bedrock_resilience import RetryPolicy, protect
for package in httpx, httpx2:
    client = package.Client(transport=package.MockTransport(lambda request: package.Response(429)))
    response = protect(client, policy=RetryPolicy(base_delay=0.0)).post("http://127.0.0.1/openai/v1/responses")
    print(response.status_code)
"""
    assert install("httpx").python(code) == "429\n429\n"


def test_otel_makes_spans_and_metrics(install: Callable[[str], Installed]) -> None:
    code = """
from opentelemetry import trace
from bedrock_resilience import Retrier
from bedrock_resilience.telemetry import OpenTelemetryListener
print(Retrier(listeners=[OpenTelemetryListener()]).call(len, "abc"), trace.get_current_span().is_recording())
"""
    otel = install("otel")
    assert "opentelemetry-sdk" not in otel.packages()
    assert otel.python(code) == "3 False\n"


def test_prometheus_exposes_attempts(install: Callable[[str], Installed]) -> None:
    code = """
from prometheus_client import REGISTRY
from bedrock_resilience import Retrier
from bedrock_resilience.telemetry import PrometheusListener
Retrier(listeners=[PrometheusListener()]).call(len, "abc")
print(sum(sample.value for family in REGISTRY.collect() for sample in family.samples
          if sample.name == "bedrock_resilience_attempts_total"))
"""
    assert install("prometheus").python(code) == "1.0\n"


def test_structlog_logs_a_call(install: Callable[[str], Installed]) -> None:
    code = """
from bedrock_resilience import Retrier
from bedrock_resilience.telemetry import StructlogListener
Retrier(listeners=[StructlogListener()]).call(len, "abc")
"""
    assert "bedrock_call_succeeded" in install("structlog").python(code)


def test_powertools_writes_metrics(install: Callable[[str], Installed]) -> None:
    code = """
from bedrock_resilience import Retrier
from bedrock_resilience.telemetry import EmfListener
Retrier(listeners=[EmfListener()]).call(len, "abc")
"""
    powertools = install("powertools")
    assert "boto3" not in powertools.packages()
    assert json.loads(powertools.python(code))["Attempts"] == [1.0]


def test_plot_draws_a_schedule(install: Callable[[str], Installed], tmp_path: Path) -> None:
    code = """
from pathlib import Path
from bedrock_resilience import RetryPolicy
from bedrock_resilience.simulation import plot_schedule
plot_schedule(RetryPolicy(), Path("schedule.svg"))
"""
    install("plot").python(code)
    assert (tmp_path / "schedule.svg").read_text("utf-8").count("<path") > 10


def test_testing_generates_policies(install: Callable[[str], Installed]) -> None:
    code = """
from bedrock_resilience import RetryPolicy
from bedrock_resilience.testing.strategies import retry_policies
from hypothesis import given

@given(retry_policies())
def every_policy_is_valid(policy):
    assert policy.replace() == policy
    policies.append(policy)

policies = []
every_policy_is_valid()
print(len(policies) > 10)
"""
    assert install("testing").python(code) == "True\n"


def test_normalize_answers_an_event_that_is_wrong(install: Callable[[str], Installed]) -> None:
    normalize = install("normalize")
    assert "typer" not in normalize.packages()
    code = """
from vectora_normalize.handler import lambda_handler
print(lambda_handler({}, None)["statusCode"])
"""
    assert normalize.python(code).splitlines()[-1] == "400"


def test_tls_serves_https(install: Callable[[str], Installed]) -> None:
    code = """
import ssl, urllib.request
from bedrock_resilience.emulator import BedrockEmulator
with BedrockEmulator(tls=True) as emulator:
    context = ssl.create_default_context(cafile=emulator.ca_bundle)
    with urllib.request.urlopen(f"{emulator.endpoint_url}/foundation-models", context=context) as response:
        print(response.status)
"""
    assert install("tls").python(code) == "200\n"
