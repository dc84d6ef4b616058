"""``generalise``: terms of the objective beside the segmentation loss."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from segibn.config.frozen import Frozen


class WhiteningConfig(Frozen):
    """RobustNet's instance whitening of an IBN-b network (arXiv 2103.15597).

    Needs ``model.backbone`` with ``ibn: b`` and ``ibn_affine: false``.
    """

    kind: Literal["iw", "irw", "isw"] = "isw"
    """Which covariances of normalised channels are pushed to 0: iw = all, irw = all, down to
    ``margin``, isw = those that a change of colour and sharpness moves."""
    weight: PositiveFloat = 0.6
    """Factor in the loss."""
    margin: Annotated[float, Field(ge=0.0, lt=1.0)] = 1 / 64
    """irw: mean absolute covariance that costs nothing."""
    clusters: Annotated[int, Field(ge=2)] = 3
    """isw: how many clusters the covariances are sorted into by how much they move."""
    insensitive_clusters: PositiveInt = 1
    """isw: how many of them, those that move least, are left alone."""
    statistics_after: Annotated[int, Field(ge=0)] = 4644
    """isw: iteration from which on the moves are measured; before, the term is 0. 4644 = six
    passes over GTA5 in batches of 16, as in the authors' script."""
    statistics_iterations: PositiveInt = 313
    """isw: over how many iterations, each with its whole batch; then the term sets in. 313 batches
    of 16 = the authors' 10 times 500 frames."""

    @model_validator(mode="after")
    def _check(self) -> "WhiteningConfig":
        if self.insensitive_clusters >= self.clusters:
            raise ValueError(
                f"insensitive_clusters {self.insensitive_clusters} of {self.clusters} clusters "
                "leave none to whiten; keep it below clusters"
            )
        if self.kind != "irw" and self.margin != type(self).model_fields["margin"].default:
            raise ValueError(f"margin belongs to kind: irw; leave it out for {self.kind}")
        return self


class ObjectiveSections(Frozen):
    """Sections of ``generalise`` that add terms to the loss."""

    whitening: WhiteningConfig | None = None
    """Instance whitening: IW, IRW or ISW."""
