"""The objective beyond the segmentation loss: terms that see one `Step` of the training.

Each term is a module of `segibn.engine.terms`; its formula stands in `segibn.losses`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from segibn.engine.ema import WeightAverage
from segibn.models.segmenter import Segmenter, SegmenterOutput


@dataclass(frozen=True)
class Step:
    """One forward pass of the training: a micro-batch on one rank."""

    iteration: int  # index of the update, from 0
    plain: Tensor
    """(N, 3, H, W) normalised, as the loader gave it (after copy-paste, before restyling)."""
    image: Tensor
    """(V * N, 3, H, W) normalised, as the network saw it: V views, one after the other."""
    target: Tensor  # (V * N, H, W) train ids
    output: SegmenterOutput  # of ``image``
    views: int = 1  # V

    @property
    def features(self) -> Mapping[str, Tensor]:
        """The backbone's features of ``image``, by name, (V * N, C, h, w), with gradients."""
        assert self.output.features is not None
        return self.output.features


class Term(ABC):
    """One term of the objective."""

    name: str  # of its section of ``generalise``
    weight: float  # factor in the loss
    views: int = 1  # restyled views of an image that it needs, 1 or 2

    @abstractmethod
    def __call__(self, step: Step) -> Tensor:
        """Return a 0-dim float32 tensor, a mean over what the step shows."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs; most terms remember nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 (most have none)
        """Take such a state."""


@dataclass(frozen=True)
class Trainee:
    """What terms are built for."""

    model: Segmenter  # the bare network in training, on its device
    average: WeightAverage | None
    class_names: Sequence[str]  # in the order of train ids
    device: torch.device
    shared: dict[Any, Any] = field(default_factory=dict)  # built by one term, of use to others


class Objective:
    """The terms that are on: each adds ``weight * term(step)`` to the loss."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = tuple(terms)
        self.views = max((term.views for term in terms), default=1)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __call__(self, step: Step) -> Tensor:
        """Return the weighted sum, 0-dim float32; there is at least one term."""
        return torch.stack([term.weight * term(step) for term in self.terms]).sum()

    def state_dict(self) -> dict[str, Any]:
        """Return the terms' states by name."""
        states = {term.name: term.state_dict() for term in self.terms}
        return {name: state for name, state in states.items() if state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take such states."""
        for term in self.terms:
            if term.name in state:
                term.load_state_dict(state[term.name])
