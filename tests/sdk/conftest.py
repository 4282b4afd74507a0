"""Every SDK test stands on a running server."""

from tests.served import chromium, pages, project, proxy, server

__all__ = ["chromium", "pages", "project", "proxy", "server"]
