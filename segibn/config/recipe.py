"""Recipes for test time: how a trained network looks at frames, as a file of its own.

In: YAML. Out: a frozen ``InferenceRecipe``. ``evaluate``, ``predict``, ``make_submission`` and the
verbs that compare networks take one with ``--recipe``; what stands on the command line beside it
replaces its values.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from segibn.config.explain import explain
from segibn.config.load import read_yaml
from segibn.config.shipped import find_config
from segibn.config.values import Frozen, Height, Samples, Scale, Size, Text
from segibn.errors import ConfigError


class InferenceRecipe(Frozen):
    """How frames reach a trained network; null = as the run was scored, or the default."""

    input_size: Size | Literal["native"] | None = None
    """(H, W) that frames are resized to first; native = their own size; null = what the run was
    scored at."""
    input_height: Height | None = None
    """The same by height alone, the width in proportion."""
    window: Size | None = None
    """(H, W) of a sliding window; null = whole frames."""
    stride: Size | None = None
    """(H, W) from one window to the next; null = two thirds of the window."""
    blending: Literal["flat", "gaussian"] = "flat"
    """Whether all pixels of a window count alike, or those in its middle most."""
    scales: Annotated[tuple[Scale, ...], Field(min_length=1, max_length=16)] = (1.0,)
    """The frame is seen at these sizes, relative to the above; probabilities are averaged."""
    flip: bool = False
    """Whether each view is also seen mirrored."""
    precision: Literal["float32", "bfloat16", "float16", "auto"] = "float32"
    """Number format of the convolutions; auto = bfloat16 where the device computes it natively."""
    batch_size: Samples = 1
    """Frames of one size that the network sees at once."""
    ensemble: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """Run folders or checkpoints, relative to the recipe, whose probabilities are averaged with
    those of the run on the command line; one that is that run counts once."""


def load_recipe(path: str | Path) -> InferenceRecipe:
    """Read a recipe, a file or a shipped one by its name; paths in it become absolute.

    Raises:
        ConfigError: no such file, no YAML, or not a valid recipe; lists every mistake.
    """
    path = find_config(path)
    tree = read_yaml(path)
    try:
        recipe = InferenceRecipe.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            f"{path} is not a valid recipe:\n{explain(error, InferenceRecipe)}"
        ) from None
    runs = tuple(str((path.parent / run).resolve()) for run in recipe.ensemble)
    return recipe.model_copy(update={"ensemble": runs})
