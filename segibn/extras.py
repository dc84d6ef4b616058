"""Packages of pyproject.toml's extras: imported where they are used, and asked for here first."""

import importlib.util

from segibn.errors import ConfigError, SegibnError


def is_there(package: str) -> bool:
    """Whether a package can be imported; it is not imported."""
    return importlib.util.find_spec(package) is not None


def require(
    extra: str,
    *packages: str,
    purpose: str,
    instead: str = "",
    error: type[SegibnError] = ConfigError,
) -> None:
    """Check that packages are there before work begins that needs them.

    Args:
        purpose: what needs them; begins the message.
        instead: what does without them, as in "write a .pt2 file, which needs nothing".
    """
    missing = [name for name in packages if not is_there(name)]
    if missing:
        raise error(
            f"{purpose} needs {', '.join(missing)}: pip install 'segibn[{extra}]' (in a "
            f"checkout: pip install -e '.[{extra}]'){f', or {instead}' if instead else ''}"
        )
