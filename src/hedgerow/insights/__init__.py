"""Saved insights, dashboards and what stands around them: annotations, sharing, subscriptions, alerts, exports."""
