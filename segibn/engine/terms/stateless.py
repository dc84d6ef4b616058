"""What terms without anything to remember have in common."""

from typing import Any


class Stateless:
    """A term that a resumed training builds anew, and that is then the same."""

    views = 1

    def state_dict(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take nothing."""
