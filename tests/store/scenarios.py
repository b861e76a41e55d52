"""All scenarios (see scenario.py), in order."""
import scenarios_nodes  # noqa: F401
import scenarios_changes  # noqa: F401
import scenarios_domains  # noqa: F401
from scenario import SCENARIOS

__all__ = ["SCENARIOS"]
