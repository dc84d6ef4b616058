"""The table of verbs: what ``segibn`` knows, in the groups and the order that its help shows."""

from typing import NamedTuple


class Verb(NamedTuple):
    """One verb.

    Attributes:
        name: as it is typed.
        module: in ``segibn.cli``, with ``build_parser()`` and ``main(argv)``; a script of
            ``tools/`` has the same name.
        summary: one line.
    """

    name: str
    module: str
    summary: str


class Group(NamedTuple):
    """Verbs that belong together, and one example of them."""

    name: str
    example: str
    verbs: tuple[Verb, ...]


GROUPS = (
    Group(
        "train",
        "segibn train gta5_ibn --datasets /data optim.lr=0.02",
        (
            Verb("demo", "demo", "the main job on painted frames, in a few minutes: start here"),
            Verb("train", "train", "train a network as a config says"),
            Verb("fine-tune", "fine_tune", "go on with shares of a target's frames"),
            Verb("study", "study", "several configs and seeds, trained and scored in one table"),
            Verb("configs", "configs", "list the shipped configs, print one, copy one to edit"),
        ),
    ),
    Group(
        "measure",
        "segibn evaluate runs/gta5_ibn --dataset cityscapes --split val",
        (
            Verb("evaluate", "evaluate", "score a trained network on a labelled set"),
            Verb("cross-domain", "cross_domain", "score networks on several domains"),
            Verb("compare", "compare_runs", "is run B better than run A, and how surely"),
            Verb("compare-inference", "compare_inference", "score ways to look at a frame"),
            Verb("appearance", "appearance", "score under colour shifts, weather and noise"),
            Verb("divergence", "feature_divergence", "how far two domains lie apart in features"),
            Verb("score", "score", "score folders of label maps; needs no torch"),
        ),
    ),
    Group(
        "use",
        "segibn predict runs/gta5_ibn my_frames --output predictions",
        (
            Verb("predict", "predict", "label maps and overlays of your own frames"),
            Verb("card", "card", "write a model card from a run and its scores"),
            Verb("export", "export", "write a network as a graph for other runtimes"),
            Verb("convert", "convert_checkpoint", "to and from RobustNet; safetensors"),
            Verb("submit", "make_submission", "write a benchmark submission, and check it"),
            Verb("validate-submission", "validate_submission", "list every fault of a submission"),
        ),
    ),
    Group(
        "data",
        "segibn check cityscapes --datasets /data",
        (
            Verb("sample-data", "make_sample_data", "paint driving scenes as official data sets"),
            Verb("check", "check_dataset", "read every file of a data set, report what is wrong"),
            Verb("cache", "cache_dataset", "keep a training set as tiles for faster loading"),
        ),
    ),
    Group(
        "develop",
        "segibn profile sample_ibn --datasets runs/demo/data_seed0",
        (
            Verb("profile", "profile_step", "where the time of an update goes"),
            Verb("soak", "soak", "kill and resume a training, compare the bits"),
            Verb("results-table", "results_table", "render result tables of a Markdown file"),
            Verb("completion", "completion", "complete segibn's words in bash, zsh or fish"),
        ),
    ),
)

VERBS = {verb.name: verb for group in GROUPS for verb in group.verbs}
