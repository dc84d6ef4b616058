"""The table of verbs: what ``segibn`` knows, in the groups and the order that its help shows."""

from keyword import iskeyword
from typing import NamedTuple


class Verb(NamedTuple):
    """One verb, as it is typed, and a line about it."""

    name: str
    summary: str

    @property
    def module(self) -> str:
        """In ``segibn.cli``, with ``build_parser()`` and ``main(argv)``, which runs the verb."""
        return self.name.replace("-", "_") + ("_" if iskeyword(self.name) else "")


class Group:
    """Verbs that belong together, and one example of them."""

    def __init__(self, name: str, example: str, *verbs: Verb) -> None:
        self.name, self.example, self.verbs = name, example, verbs


GROUPS = (
    Group(
        "train",
        "segibn train gta5_ibn --datasets /data optim.lr=0.02",
        Verb("demo", "the whole job on synthetic frames in minutes: start here"),
        Verb("train", "train a network as a config says"),
        Verb("study", "several configs and seeds: train, score, one table"),
        Verb("configs", "list the shipped configs, print one, copy one to edit"),
    ),
    Group(
        "measure",
        "segibn evaluate runs/gta5_ibn --dataset cityscapes --split val",
        Verb("evaluate", "score a trained network on a labelled set"),
        Verb("cross-domain", "score networks on several domains"),
        Verb("report", "scores, curves and frames as one page for a browser"),
        Verb("compare", "is run B better than run A, and how surely"),
        Verb("compare-inference", "score ways to show frames to a network"),
        Verb("stress", "score under colour shifts, weather, blur and noise"),
        Verb("calibrate", "fit confidences, or a share of each frame's statistics"),
        Verb("divergence", "distance of two domains in features after every block"),
        Verb("leaderboard", "a folder of results as one page of comparable tables"),
        Verb("score", "score folders of label maps (PNG); needs no torch"),
    ),
    Group(
        "use",
        "segibn predict runs/gta5_ibn my_frames --output predictions",
        Verb("predict", "label maps and overlays of your own frames"),
        Verb("watch", "predictions as frames come: folder, camera, stream"),
        Verb("export-labels", "predictions as polygons for labelme, CVAT, COCO"),
        Verb("rank", "which unlabelled frames to label next"),
        Verb("models", "list the networks that are here, with their scores"),
        Verb("card", "write a model card from a run and its scores"),
        Verb("export", "write a network as a graph for other runtimes"),
        Verb("convert", "checkpoints to and from RobustNet; safetensors"),
        Verb("push", "a run to the Hugging Face hub, with its card"),
        Verb("submit", "write a benchmark submission, and check it"),
        Verb("validate-submission", "list every fault of a submission"),
    ),
    Group(
        "data",
        "segibn check cityscapes --datasets /data",
        Verb("sample-data", "synthetic scenes in official layouts"),
        Verb("init", "your own folder: a config, and a page to look at"),
        Verb("import", "labelme, COCO, CVAT, YOLO, Supervisely to label maps"),
        Verb("check", "read every file of a data set and list what is wrong"),
    ),
    Group("develop", "segibn completion bash", Verb("completion", "complete segibn's words in bash, zsh or fish")),
)

VERBS = {verb.name: verb for group in GROUPS for verb in group.verbs}
