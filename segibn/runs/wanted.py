"""What is to be predicted, what is to be written, and what would have no effect. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segibn.errors import ConfigError
from segibn.media import SHOWN_IN_VIDEOS
from segibn.media.codecs import Codec, choose_codec
from segibn.media.journal import Mode
from segibn.media.outputs import kinds_of, places_of
from segibn.media.sources import Source, find_sources
from segibn.text import counted, printable


def find_inputs(inputs: Sequence[str | Path], output: Path) -> tuple[list[Source], list[str]]:
    """Find pictures and videos, see ``find_sources``; also say what else lies among them."""
    found = find_sources(inputs, places_of(output))
    lines = [
        f"passed over the earlier predictions in {printable(folder)}"
        for folder in found.outputs
        if folder.absolute() != output.absolute()
    ]
    if found.others:
        names = ", ".join(printable(path.name) for path in found.others[:3])
        names += ", ..." if len(found.others) > 3 else ""
        lines.append(f"passed over {counted(len(found.others), 'file')}, neither picture nor video: {names}")
    return found.sources, lines


@dataclass(frozen=True)
class Wanted:
    """Which files, and how they are made; None = the default, see ``checked``."""

    output: Path  # folder for all of them
    save: tuple[str, ...] | None = None  # labels and overlay of images, the video of a video
    min_confidence: float | None = None  # pixels of less are 255 in label maps, unpainted in pictures
    alpha: float | None = None  # share of the class colour; 0.4
    marks: tuple[str, ...] | None = None  # words in overlays, of `MARKS`; none
    palette: str | None = None  # of `PALETTES`; the network's own
    classes: list[str] | None = None  # what pictures show; all
    video_shows: str | None = None  # overlay
    video_codec: str | None = None  # auto, the first that OpenCV can write
    mode: Mode = "new"  # what to do where predictions are
    strict: bool = False  # whether the first bad file ends it

    def checked(self, sources: Sequence[Source]) -> "Wanted":
        """Return it with the defaults; ConfigError: an option changes no file that is written of these sources."""
        found = {source.is_video for source in sources}
        if self.save is not None and "video" in self.save and True not in found:
            raise ConfigError("--save video: there is no video among the inputs; leave it out")
        if self.save == ("video",) and False in found:
            raise ConfigError("--save video writes nothing for the images among the inputs; add labels or overlay")
        if self.min_confidence is not None and not 0 < self.min_confidence < 1:
            raise ConfigError(f"--min-confidence {self.min_confidence}: write a number between 0 and 1, such as 0.8")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ConfigError(f"--alpha {self.alpha}: write a number from 0 to 1, such as 0.5")
        written = {kind for is_video in found for kind in kinds_of(self.save, is_video)}
        shown = {self.video_shows or "overlay"} if "video" in written else set()
        drawn = shown | (written & set(SHOWN_IN_VIDEOS))
        filled: dict[str, object] = {}
        for name, default, is_idle, reason in (
            ("video_shows", "overlay", not shown, "no video is written"),
            ("video_codec", "auto", not shown, "no video is written"),
            ("alpha", 0.4, not drawn - {"color"}, "nothing is laid over a frame"),
            ("marks", (), not drawn - {"color"}, "nothing is laid over a frame"),
            ("palette", "own", False, ""),
            ("classes", None, not drawn, "label maps keep all classes, and nothing else is written"),
        ):
            if getattr(self, name) is None:
                filled[name] = default
            elif is_idle:
                raise ConfigError(f"--{name.replace('_', '-')} has no effect: {reason}")
        return replace(self, **filled)  # type: ignore[arg-type]

    def codec(self, sources: Sequence[Source]) -> Codec | None:
        """Return what videos are encoded in, tried now; None = there is none to write."""
        if any(source.is_video and "video" in kinds_of(self.save, True) for source in sources):
            return choose_codec(self.video_codec or "auto")
        return None
