"""What SDKs send: decoded, checked, normalised, stored, and only then acknowledged."""
