"""Where a project's resources stand (rest-api §1.1)."""

from __future__ import annotations

BASES = ("/api/projects/{project_id:str}/", "/api/environments/{project_id:str}/")


def below_project(tail: str) -> list[str]:
    """The paths of a project's resource: `projects` and `environments` answer alike."""
    return [base + tail for base in BASES]
