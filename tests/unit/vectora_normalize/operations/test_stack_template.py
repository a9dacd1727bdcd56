"""The runtime template, merged into a stack that has other functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.api import lint_file  # pyright: ignore[reportMissingTypeStubs] - it has none

from support.cloudformation import load, resources
from support.pages import ROOT
from vectora_normalize.operations.stack_template import FUNCTION, PREFIX, TemplateError, merge_templates

if TYPE_CHECKING:
    from pathlib import Path

OLD = ROOT / "tests" / "support" / "old_stack.yaml"
RUNTIME = (ROOT / "infra" / "s1-runtime.yaml").read_bytes()
GIVEN = {
    "ConfigBucketName": "c",
    "DataBucketName": "d",
    "IngestNormalizeRoleArn": "arn:old",
    "EngineRoleArn": "arn:engine",
    "IngestNormalizeCodeBucket": "code",
}


def merged(folder: Path, deployed: bytes | None = None) -> Path:
    """The file of the merged template."""
    out = folder / "merged.yaml"
    out.write_text(merge_templates(deployed or OLD.read_bytes(), RUNTIME).text, "utf-8")
    return out


class TestMerge:
    def test_what_is_not_ours_stays_as_it_is(self, tmp_path: Path) -> None:
        before, after = load(OLD), load(merged(tmp_path))
        for section in ("Parameters", "Conditions", "Resources", "Outputs"):
            for name, part in before[section].items():
                assert name == FUNCTION or after[section][name] == part
        assert after["Description"] == "Couche d'exécution : ingest-normalize et engine"

    def test_the_function_keeps_what_it_has_and_gets_what_it_lacks(self, tmp_path: Path) -> None:
        before, after = (resources(template, **GIVEN)[FUNCTION]["Properties"] for template in (OLD, merged(tmp_path)))
        variables = before.pop("Environment")["Variables"]
        merged_variables: dict[str, Any] = after["Environment"]["Variables"]
        assert before.pop("Role") == "arn:old"
        assert after["Role"] == "<NormalizeRole.Arn>"
        assert before.items() <= after.items()
        assert variables.items() <= merged_variables.items()
        assert merged_variables["BEDROCK_PACING"] == "auto"
        assert after["ReservedConcurrentExecutions"] == 1

    def test_all_else_of_the_runtime_is_added_with_its_references(self, tmp_path: Path) -> None:
        buckets = {"ConfigBucketName": "c", "DataBucketName": "d"}
        alone = resources(ROOT / "infra/s1-runtime.yaml", Env="dev", CodeBucketName="code", **buckets)
        beside = resources(merged(tmp_path), **GIVEN)
        added = {name.removeprefix("Normalize"): part for name, part in beside.items() if "Metadata" in part}
        assert added.keys() == alone.keys() - {"LogGroup", FUNCTION}
        for name, part in added.items():
            assert part.pop("Metadata") == {"MergedFrom": "infra/s1-runtime.yaml"}
            assert part.pop("Condition", PREFIX) == PREFIX + alone[name].pop("Condition", "")
            expected = json.dumps(alone[name]).replace("<LogGroup>", "/aws/lambda/vectora-inbox-ingest-normalize-dev")
            assert json.loads(json.dumps(part).replace(f"<{PREFIX}", "<")) == json.loads(expected)

    def test_the_merged_template_is_valid(self, tmp_path: Path) -> None:
        found = {(match.rule.id, match.message) for match in lint_file(merged(tmp_path))}
        assert found == {  # what the stack has no use for any more
            ("W2001", "Parameter IngestNormalizeRoleArn not used."),
            ("W8001", "Condition IsDevEnvironment not used"),
        }

    def test_a_merge_into_a_merged_template_changes_nothing(self, tmp_path: Path) -> None:
        once = merged(tmp_path).read_bytes()
        assert merge_templates(once, RUNTIME).text.encode() == once

    def test_it_says_what_became_of_the_parts(self) -> None:
        done = merge_templates(OLD.read_bytes(), RUNTIME)
        assert done.kept == ("IngestNormalizeLogGroup", "EngineFunction")
        assert {"NormalizeRole", "NormalizeErrorsAlarm"} <= set(done.added)
        assert set(done.function_kept) == {
            "FunctionName",
            "Runtime",
            "Handler",
            "Code",
            "Timeout",
            "MemorySize",
            "Tags",
        }
        assert {"Role", "Environment", "LoggingConfig"} <= set(done.function_changed)
        assert set(done.parameters_kept) == {
            "ConfigBucketName",
            "DataBucketName",
            "Env",
            "LogRetentionDays",
            "ProjectName",
        }
        assert done.parameters_required == ()

    def test_a_parameter_that_the_stack_lacks_must_be_given(self) -> None:
        deployed = OLD.read_bytes().replace(b"DataBucketName", b"ItemsBucketName")
        assert merge_templates(deployed, RUNTIME).parameters_required == ("DataBucketName",)

    @pytest.mark.parametrize("body", ["text", "object"])
    def test_the_response_of_the_command_line_is_a_template_too(self, body: str, tmp_path: Path) -> None:
        template: Any = OLD.read_text("utf-8") if body == "text" else load(OLD)
        response = json.dumps({"TemplateBody": template, "StagesAvailable": ["Original"]}).encode()
        assert resources(merged(tmp_path, response), **GIVEN) == resources(merged(tmp_path), **GIVEN)


class TestRefusals:
    def refused(self, deployed: bytes) -> str:
        with pytest.raises(TemplateError) as refusal:
            merge_templates(deployed, RUNTIME)
        return str(refusal.value)

    @pytest.mark.parametrize("deployed", [b"Resources: {", b"\xff\xfe\x00\xd8", b'{"TemplateBody": "a: ["}'])
    def test_what_cannot_be_read(self, deployed: bytes) -> None:
        assert self.refused(deployed).startswith("the deployed template: neither YAML nor JSON: ")

    @pytest.mark.parametrize("deployed", [b"", b"a", b"[1]", b"Resources: {}", b"Resources: !Ref x"])
    def test_what_is_no_template(self, deployed: bytes) -> None:
        assert self.refused(deployed) == "the deployed template: has no Resources; accepted: a CloudFormation template"

    def test_a_stack_without_the_function(self) -> None:
        deployed = OLD.read_bytes().replace(b"IngestNormalizeFunction", b"OtherFunction")
        assert "the functions of the stack are OtherFunction, EngineFunction; accepted" in self.refused(deployed)
        assert "are none; accepted" in self.refused(b"Resources: {IngestNormalizeFunction: {Type: AWS::SQS::Queue}}")

    @pytest.mark.parametrize("name", [b"normalize", b'!Sub "${Env}-normalize"', b"!Join ['-', [a, b]]"])
    def test_a_function_of_another_name(self, name: bytes) -> None:
        given = b'FunctionName: !Sub "${ProjectName}-ingest-normalize-${Env}"'
        deployed = OLD.read_bytes().replace(given, b"FunctionName: " + name)
        assert self.refused(deployed).startswith("IngestNormalizeFunction: FunctionName: got ")

    def test_a_logical_id_that_is_taken(self) -> None:
        deployed = OLD.read_bytes().replace(b"IngestNormalizeLogGroup", b"NormalizeRole")
        assert self.refused(deployed).startswith("Resources: the stack has NormalizeRole of its own; accepted: ")
