"""A running server, and a project of its own for each test."""

from tests.served import project, server

__all__ = ["project", "server"]
