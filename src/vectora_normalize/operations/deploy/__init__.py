"""A package brought into its function, and tried there."""

from __future__ import annotations

from vectora_normalize.operations.deploy.errors import DeployError
from vectora_normalize.operations.deploy.place import Place
from vectora_normalize.operations.deploy.steps import Deployment, deploy
from vectora_normalize.operations.deploy.trial import Trial

__all__ = ["DeployError", "Deployment", "Place", "Trial", "deploy"]
