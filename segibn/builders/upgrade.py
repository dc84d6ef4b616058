"""Checkpoints of earlier versions: the dict of a file as the present version would have written it.

Format 1: until configs said their version. A checkpoint's config is brought up to date too
(`segibn.config.upgrade`). A change that old files do not fit adds one to FORMAT_VERSION and a step
here: a pure function from a dict of the version before to one of the next.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from segibn.config.upgrade import upgrade_config
from segibn.errors import CheckpointError, ConfigError
from segibn.text import printable

FORMAT_VERSION = 2

Content = dict[str, Any]


def upgrade_checkpoint(content: Mapping[str, Any], path: Path) -> Content:
    """Return a checkpoint's dict and its config in the present version.

    Raises:
        CheckpointError: it is of a newer version than this program knows, or of none.
    """
    version = content.get("format_version")
    if type(version) is not int or version not in range(1, FORMAT_VERSION + 1):
        raise CheckpointError(
            f"{path} has checkpoint format {printable(version)[:40]}, this version of segibn reads "
            f"up to {FORMAT_VERSION}; update segibn"
        )
    upgraded = dict(content)
    for earlier in range(version, FORMAT_VERSION):
        upgraded = STEPS[earlier](upgraded)
    config = upgraded.get("config")
    if isinstance(config, Mapping):
        try:
            upgraded["config"], _ = upgrade_config(config, f"the config in {path}")
        except ConfigError as error:
            raise CheckpointError(str(error)) from error
    return {**upgraded, "format_version": FORMAT_VERSION}


def _stages_as_built(content: Content) -> Content:
    """1 -> 2: an empty ``ibn_stages`` of a DenseNet meant the paper's stages once, now none.

    The weights tell which it was: those with instance norms are a network of the first kind.
    """
    try:
        backbone = content["config"]["model"]["backbone"]
        is_meant = backbone["name"].startswith("densenet") and backbone["ibn_stages"] == []
        has_norms = any(".IN." in key for key in {**content["model"]})
    except (KeyError, TypeError, AttributeError):
        return content  # incomplete: whoever reads it says so
    if not (is_meant and has_norms):
        return content
    model = {**content["config"]["model"], "backbone": {**backbone, "ibn_stages": None}}
    return {**content, "config": {**content["config"], "model": model}}


STEPS: Mapping[int, Callable[[Content], Content]] = {1: _stages_as_built}
"""From each version to the next."""
