"""PostHog's API on your own machine, behind one key."""

__version__ = "0.1.0"
