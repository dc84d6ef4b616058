"""Packages of pyproject.toml's extras: imported where they are used, and asked for here first."""

import importlib.util

from segibn.errors import ConfigError, SegibnError


def is_there(package: str) -> bool:
    """Whether a package can be imported; it is not imported."""
    return importlib.util.find_spec(package) is not None


def require(
    extra: str, *packages: str, purpose: str, instead: str = "", error: type[SegibnError] = ConfigError
) -> None:
    """Check that packages are there before work begins that needs them.

    ``purpose`` begins the message; ``instead`` is what does without them, such as "use a PNG".
    """
    if missing := [name for name in packages if not is_there(name)]:
        raise error(
            f"{purpose} needs {', '.join(missing)}: pip install 'segibn[{extra}]' (in a "
            f"checkout: pip install -e '.[{extra}]'){f', or {instead}' if instead else ''}"
        )
