"""What a checkpoint holds beside its tensors' values and its config, as types."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from segibn.description import faults_of
from segibn.errors import CheckpointError
from segibn.models.weights.tensor_check import check_finite

_MOST_UPDATES = 10**9


def _is_printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("Input has characters that cannot be printed")
    return text


_Text = Annotated[str, Field(max_length=200), AfterValidator(_is_printable)]
_Updates = Annotated[int, Field(ge=0, le=_MOST_UPDATES)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_State = Annotated[dict[str, Tensor], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, arbitrary_types_allowed=True)


class _Optimizer(_Part):
    state: dict[int, dict[str, Tensor | _Number | None]]
    param_groups: list[dict[str, Any]]


class _Training(_Part):
    optimizer: _Optimizer
    scaler: dict[str, _Number]
    model: _State | None = None
    average_updates: _Updates | None = None
    objective: dict[str, dict[str, Any]] = {}


class _Origin(_Part):
    format: _Text
    variant: Literal["base", "ibn", "isw"] | None = None
    folded: dict[str, Tensor] = {}
    epoch: float | int = 0
    mean_iu: float | int = 0.0


class _Content(_Part):
    iteration: _Updates
    classes: _Text | None
    config: dict[str, Any]
    model: _State
    training: _Training | None = None
    versions: dict[str, _Text] = {}
    averaged: _Text = ""
    origin: _Origin | None = None


def check_content(content: Mapping[str, Any], path: Path) -> None:
    """Check what has passed `check_tree`, but for config and classes; the weights are finite."""
    try:
        _Content.model_validate(dict(content))
    except ValidationError as error:
        raise CheckpointError(
            f"{path} is damaged or was changed by hand; take another checkpoint of the run\n" + faults_of(error)
        ) from error
    check_finite({f"model.{key}": value for key, value in content["model"].items()}, str(path))
