"""Feature flags and early access features: their definitions."""
