"""The pages' own server: its first project has no event before the first test that sends one."""

from tests.served import chromium, pages, project, proxy, server

__all__ = ["chromium", "pages", "project", "proxy", "server"]
