"""The objective beyond the segmentation loss: terms that see one step of the training.

In: what a step computed (`Step`). Out: a number to add to its loss. Each term is a module of
`segibn.engine.terms`; its formula stands in `segibn.losses`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from segibn.engine.ema import WeightAverage
from segibn.models.segmenter import CoarseOutput, Segmenter


@dataclass(frozen=True)
class Step:
    """One forward pass of the training: a micro-batch on one rank.

    Attributes:
        iteration: index of the update, from 0.
        plain: (N, 3, H, W) normalised, as the loader gave it (after copy-paste, before restyling).
        image: (V * N, 3, H, W) normalised, as the network saw it: V views, one after the other.
        target: (V * N, H, W) train ids.
        output: logits of ``image``.
        views: V.
    """

    iteration: int
    plain: Tensor
    image: Tensor
    target: Tensor
    output: CoarseOutput
    views: int = 1

    @property
    def features(self) -> Mapping[str, Tensor]:
        """The backbone's features of ``image``, by name, (V * N, C, h, w), with gradients."""
        assert self.output.features is not None
        return self.output.features


class Term(Protocol):
    """One term of the objective.

    Attributes:
        name: its section of ``generalise``.
        weight: factor in the loss.
        views: how many restyled views of an image it needs, 1 or 2.
    """

    name: str
    weight: float
    views: int

    def __call__(self, step: Step) -> Tensor:
        """Return a 0-dim float32 tensor, a mean over what the step shows."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs; empty for most."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


@dataclass(frozen=True)
class Trainee:
    """What terms are built for.

    Attributes:
        model: the bare network in training, on its device.
        average: its moving average; None without.
        class_names: in the order of train ids.
        device: where all of it is.
        shared: what one term has built and others may use too, by a name of its builder's choice.
    """

    model: Segmenter
    average: WeightAverage | None
    class_names: Sequence[str]
    device: torch.device
    shared: dict[Any, Any] = field(default_factory=dict)


class Objective:
    """The terms that are on.

    Args:
        terms: each adds ``weight * term(step)`` to the loss.

    Attributes:
        views: restyled views of every image that a step needs.
    """

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
        """Go on from a state; what follows equals the run that wrote it."""
        for term in self.terms:
            if term.name in state:
                term.load_state_dict(state[term.name])
