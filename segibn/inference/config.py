"""What was asked for of inference: a YAML file (``--recipe``) or options of a command. No torch."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError, create_model

from segibn.config.explain import explain
from segibn.config.load import read_yaml
from segibn.config.shipped import find_config
from segibn.config.values import Frozen, Size, Text
from segibn.errors import ConfigError
from segibn.inference import NATIVE, PRECISIONS
from segibn.inference.options import InferenceOptions, InstanceShare

_DOCS = TypeAdapter(InferenceOptions).json_schema()["properties"]
_TYPES = get_type_hints(InferenceOptions, include_extras=True)
# Every option is a key with its type, default and description.
_Keys: Any = create_model(  # type: ignore[call-overload]
    "_Keys",
    __base__=Frozen,
    **{
        one.name: (_TYPES[one.name], Field(one.default, description=_DOCS[one.name]["description"]))
        for one in fields(InferenceOptions)
    },
)


class InferenceConfig(_Keys):
    """How frames reach a trained network; null = as the run was scored, or the default."""

    input_size: Size | Literal["native"] | None = None
    """(H, W) that frames are resized to first; native = their own size; null = as scored."""
    precision: Literal[*PRECISIONS, "auto"] = "float32"  # type: ignore[valid-type]
    """Number format of the convolutions; auto = bfloat16 where the device computes it natively."""
    instance_share: InstanceShare | Literal["calibrated", "none"] | None = None
    """A share of each frame's own statistics in batch norms, as in ``{share: 0.1, finest: 8}``;
    calibrated = what ``segibn calibrate --share`` chose for the run; null, none = no share."""
    ensemble: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """Run folders or checkpoints, relative to this file, whose probabilities are averaged with
    those of the run on the command line; one that is that run counts once."""

    def replaced(self, **given: Any) -> "InferenceConfig":
        """Return it with other values; one that is None stays as it is here."""
        said = {name: value for name, value in given.items() if value is not None}
        if said.keys() & {"input_size", "input_height"}:
            said = {"input_size": None, "input_height": None} | said
        if "window" in said:  # the stride belongs to the window
            said = {"stride": None} | said
        return self.model_copy(update=said)

    @property
    def states_size(self) -> bool:
        """Whether it says at which size frames are seen."""
        return self.input_size is not None or self.input_height is not None

    def options_for(
        self, scored: InferenceOptions, *, bfloat16: bool, share: InstanceShare | None = None
    ) -> InferenceOptions:
        """Complete it with those of a run that was ``scored``; ``share``: what ``instance_share`` means for it."""
        values = {one.name: getattr(self, one.name) for one in fields(InferenceOptions)} | {"instance_share": share}
        if not self.states_size:
            values |= {"input_size": scored.input_size, "input_height": scored.input_height}
        elif self.input_size == NATIVE:
            values["input_size"] = None
        if self.precision == "auto":
            values["precision"] = "bfloat16" if bfloat16 else "float32"
        return InferenceOptions(**values)


AS_SCORED = InferenceConfig()


def load_inference_config(path: str | Path) -> InferenceConfig:
    """Read a file, or a shipped one by its name; paths in it become absolute."""
    path = find_config(path)
    tree = read_yaml(path)
    try:
        config = InferenceConfig.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(f"{path} is not a valid inference config:\n{explain(error, InferenceConfig)}") from None
    runs = tuple(str((path.parent / run).resolve()) for run in config.ensemble)
    return config.model_copy(update={"ensemble": runs})
