"""Does this event match this action: steps of actions, as HogQL (rest-api §13)."""

from hedgerow.matching.condition import condition_of
from hedgerow.matching.steps import AUTOCAPTURE, MATCHING, Step

__all__ = ["AUTOCAPTURE", "MATCHING", "Step", "condition_of"]
