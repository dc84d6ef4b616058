"""What every part of a config is built on: immutable, and strict about keys."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A part of a config: unknown keys are errors, fields are documented by their docstrings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
