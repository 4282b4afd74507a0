"""Does this event match this action: steps of actions, as HogQL for queries, and on one event for the writer (rest-api §13)."""

from hedgerow.matching.condition import condition_of
from hedgerow.matching.matcher import Matcher
from hedgerow.matching.steps import AUTOCAPTURE, MATCHING, Step

__all__ = ["AUTOCAPTURE", "MATCHING", "Matcher", "Step", "condition_of"]
