"""A believable shop: ninety days of a garden store's events, the same on every machine."""

from hedgerow.demo.shop import Shop, shop_events

__all__ = ["Shop", "shop_events"]
