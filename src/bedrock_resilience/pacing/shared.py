"""`SharedPacer`: one pace for every process that calls the same model, kept in a shared table."""

from __future__ import annotations
