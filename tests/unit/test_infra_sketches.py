"""The container image, the CDK app and the Terraform module: what can be tested without Docker, Terraform and AWS."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

from support.cloudformation import load, resources
from support.environment import MACHINE_ENVIRONMENT
from support.installed import started
from support.pages import ROOT
from support.runtime import Function
from vectora_normalize.operations.deploy.function import HANDLERS
from vectora_normalize.operations.package import DEFAULT_PYTHON

if TYPE_CHECKING:
    from pathlib import Path

INFRA = ROOT / "infra"
DOCKERFILE = (INFRA / "Dockerfile").read_text("utf-8")
CDK = INFRA / "cdk" / "app.py"
TERRAFORM = INFRA / "terraform" / "main.tf"
REQUIREMENTS = "/tmp/requirements.txt"  # noqa: S108 - a path in the image
PARAMETERS = load(INFRA / "s1-runtime.yaml")["Parameters"]
REQUIRED = {name for name, declared in PARAMETERS.items() if "Default" not in declared}


def instructions(name: str) -> list[str]:
    """The arguments of an instruction of the Dockerfile, in their order."""
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def copies() -> list[tuple[str, str]]:
    return [(source, target) for source, target in (line.split() for line in instructions("COPY"))]


class TestTheImage:
    def test_what_it_copies_is_there_and_in_the_context(self) -> None:
        ignored = (INFRA / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        context = [line.removeprefix("!") for line in ignored if line.startswith("!")]
        assert "*" in ignored
        for source, _ in copies():
            assert (ROOT / source).exists()
            assert any(source == one or fnmatch(source, f"{one}/*") for one in context)

    def test_it_starts_the_function_and_has_the_python_of_the_package(self) -> None:
        (command,) = instructions("CMD")
        assert json.loads(command)[0] in HANDLERS
        assert instructions("ARG") == [f"PYTHON_VERSION={DEFAULT_PYTHON}"]
        assert {REQUIREMENTS, "--require-hashes"} <= set(shlex.split(instructions("RUN")[0]))

    # It installs the dependencies from the index, as the image does.
    @pytest.mark.nightly
    @pytest.mark.packaging
    @pytest.mark.timeout(300)
    def test_its_commands_make_a_folder_that_answers(self, tmp_path: Path) -> None:
        root, requirements = tmp_path / "task", tmp_path / "requirements.txt"
        root.mkdir()
        for source, target in copies():
            place = target.replace("${LAMBDA_TASK_ROOT}", str(root)).replace(REQUIREMENTS, str(requirements))
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, place)
        environment = {
            **MACHINE_ENVIRONMENT,
            "LAMBDA_TASK_ROOT": str(root),
            "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{MACHINE_ENVIRONMENT['PATH']}",  # noqa: PTH120 - text
        }
        for command in instructions("RUN"):
            line = command.replace(REQUIREMENTS, str(requirements))
            started(["bash", "-euc", line], environment=environment, cwd=tmp_path)
        assert list((root / "vectora_normalize").rglob("handler.*.pyc"))
        (handler,) = json.loads(instructions("CMD")[0])
        environ = {"CONFIG_BUCKET": "c", "DATA_BUCKET": "d", "AWS_REGION": "eu-west-3"}
        with Function(root, environ, handler=handler) as function:
            answer = json.loads(function.invoke_raw(b"{}").payload)
        assert (answer["statusCode"], answer["body"]["error_type"]) == (400, "InvalidEvent")


class TestTheCdkApp:
    def test_it_gives_the_template_parameters_that_it_has(self) -> None:
        texts = {node.value for node in ast.walk(ast.parse(CDK.read_text("utf-8"))) if isinstance(node, ast.Constant)}
        given = {text for text in texts if isinstance(text, str) and re.fullmatch(r"[A-Z][A-Za-z]+", text)}
        assert given - {"Runtime", "IngestNormalizeFunction"} <= PARAMETERS.keys()
        assert given >= REQUIRED
        assert "IngestNormalizeFunction" in texts

    # aws-cdk-lib has 150 MB, and needs Node.js.
    @pytest.mark.nightly
    @pytest.mark.packaging
    @pytest.mark.timeout(1500)
    @pytest.mark.skipif(shutil.which("node") is None, reason="aws-cdk-lib runs in Node.js")
    def test_it_synthesizes_the_stack_of_the_template(self, tmp_path: Path) -> None:
        python = tmp_path / "venv" / "bin" / "python"
        for command in (
            [sys.executable, "-m", "venv", str(tmp_path / "venv")],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "aws-cdk-lib>=2.200"],
        ):
            subprocess.run(command, env=dict(MACHINE_ENVIRONMENT), check=True, timeout=700)
        context = {"env": "stage", "config_bucket": "c", "data_bucket": "d", "Architecture": "arm64"}
        variables = {"CDK_OUTDIR": str(tmp_path / "out"), "CDK_CONTEXT_JSON": json.dumps(context)}
        subprocess.run([python, CDK], env={**MACHINE_ENVIRONMENT, **variables}, cwd=tmp_path, check=True, timeout=700)
        (template,) = (tmp_path / "out").glob("*-ingest-normalize-stage.template.json")
        made = json.loads(template.read_text("utf-8"))["Resources"]
        buckets = {"ConfigBucketName": "c", "DataBucketName": "d", "CodeBucketName": "code"}
        assert made.keys() >= resources(INFRA / "s1-runtime.yaml", Env="stage", **buckets).keys()
        assert made["IngestNormalizeFunction"]["Properties"]["Architectures"] == ["arm64"]


class TestTheTerraformModule:
    def test_it_gives_the_template_parameters_that_it_has(self) -> None:
        (given,) = re.findall(r"parameters = merge\(\n +\{\n(.*?)\n +\}", TERRAFORM.read_text("utf-8"), re.DOTALL)
        names = {line.split()[0] for line in given.splitlines()}
        assert names == REQUIRED

    def test_cloudformation_takes_the_template_in_a_request(self) -> None:
        assert (INFRA / "s1-runtime.yaml").stat().st_size < 51_200  # AWS, "CloudFormation quotas"

    @pytest.mark.skipif(shutil.which("terraform") is None, reason="there is no Terraform here")
    def test_it_is_formatted(self) -> None:
        command = ["terraform", "fmt", "-check", "-diff", str(TERRAFORM.parent)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout) == (0, "")
