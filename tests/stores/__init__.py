"""The stores by themselves."""
