"""What the demo page sells: a shelf of the shop whose ninety days `hedgerow demo` tells."""

from __future__ import annotations

from typing import Final, NamedTuple


class Product(NamedTuple):
    """One card on the shelf. `price` is in euros."""

    slug: str
    name: str
    price: float
    category: str
    line: str


PRODUCTS: Final = (
    Product("fern-starter-box", "Fern starter box", 34.0, "plants", "Three young ferns, shade and patience included."),
    Product("copper-watering-can", "Copper watering can", 58.5, "tools", "Two litres, and a spout that does not drip."),
    Product("moss-mat", "Moss mat", 19.0, "plants", "A quiet floor for a north-facing corner."),
    Product("hedge-shears", "Hedge shears", 72.0, "tools", "Ash handles, forged blades, a clean cut."),
    Product("seed-library", "Seed library", 27.5, "seeds", "Twelve old sorts in paper drawers."),
    Product("glass-cloche", "Glass cloche", 41.0, "tools", "A small greenhouse for one cold night."),
)
