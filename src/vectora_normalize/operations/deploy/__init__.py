"""Deployment: publishes a package as a version of a function, tests it with an event, and moves the alias to it."""

from __future__ import annotations

from vectora_normalize.operations.deploy.errors import DeployError
from vectora_normalize.operations.deploy.smoke_test import SmokeTestResult
from vectora_normalize.operations.deploy.steps import Deployment, deploy, rollback
from vectora_normalize.operations.deploy.target import DeployTarget

__all__ = ["DeployError", "DeployTarget", "Deployment", "SmokeTestResult", "deploy", "rollback"]
