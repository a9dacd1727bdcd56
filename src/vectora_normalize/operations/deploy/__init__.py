"""A package brought into its function, and tried there."""

from __future__ import annotations

from vectora_normalize.operations.deploy.errors import DeployError
from vectora_normalize.operations.deploy.smoke_test import Trial
from vectora_normalize.operations.deploy.steps import Deployment, deploy
from vectora_normalize.operations.deploy.target import Place

__all__ = ["DeployError", "Deployment", "Place", "Trial", "deploy"]
