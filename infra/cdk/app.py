"""A sketch: the stack of ``s1-runtime.yaml`` in a CDK app, so that other constructs can use its function.

``pip install aws-cdk-lib``, then for example::

    cdk deploy --app "python infra/cdk/app.py" -c env=dev -c config_bucket=vectora-inbox-config-dev \
        -c data_bucket=vectora-inbox-data-dev

The template stays the only description of the function, its role and its alarms; ``vectora-normalize deploy`` deploys
the code. Any parameter of the template can be given with ``-c``, under its own name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import cloudformation_include

TEMPLATE = Path(__file__).parents[1] / "s1-runtime.yaml"
PROJECT = "vectora-inbox"


class IngestNormalize(cdk.Stack):
    """The stack of one environment.

    Args:
        app: The app.
        env_name: ``dev``, ``stage`` or ``prod``.
        parameters: Parameters of the template beside those that follow from the environment.
    """

    def __init__(self, app: cdk.App, env_name: str, parameters: dict[str, Any]) -> None:
        # The name and the logical ids are those of the stack that the guide creates.
        super().__init__(app, f"{PROJECT}-ingest-normalize-{env_name}")
        code = {"Env": env_name, "CodeBucketName": f"{PROJECT}-lambda-code-{env_name}"}
        included = cloudformation_include.CfnInclude(
            self, "Runtime", template_file=str(TEMPLATE), parameters={**code, **parameters}
        )
        self.function = included.get_resource("IngestNormalizeFunction")


def main() -> None:
    """Synthesize the stack that the context describes."""
    app = cdk.App()
    context = app.node.try_get_context
    parameters = {"ConfigBucketName": context("config_bucket"), "DataBucketName": context("data_bucket")}
    for name in ("AlarmTopicArn", "Architecture", "KmsKeyArn", "PermissionsBoundaryArn", "PythonVersion"):
        if (given := context(name)) is not None:
            parameters[name] = given
    IngestNormalize(app, context("env") or "dev", parameters)
    app.synth()


main()
