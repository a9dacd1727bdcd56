"""Deployment: updates a function with a package, and tests it with an event."""

from __future__ import annotations

from vectora_normalize.operations.deploy.errors import DeployError
from vectora_normalize.operations.deploy.smoke_test import SmokeTestResult
from vectora_normalize.operations.deploy.steps import Deployment, deploy
from vectora_normalize.operations.deploy.target import DeployTarget

__all__ = ["DeployError", "DeployTarget", "Deployment", "SmokeTestResult", "deploy"]
