"""A package brought into its function, and tried there."""

from __future__ import annotations

from vectora_normalize.operations.deploy.errors import DeployError
from vectora_normalize.operations.deploy.smoke_test import SmokeTestResult
from vectora_normalize.operations.deploy.steps import Deployment, deploy
from vectora_normalize.operations.deploy.target import DeployTarget

__all__ = ["DeployError", "DeployTarget", "Deployment", "SmokeTestResult", "deploy"]
