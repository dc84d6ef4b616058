"""A submission's file is read back as its benchmark would. No torch."""

from pathlib import Path

from segibn.errors import ConfigError
from segibn.files import write_json
from segibn.submission.check import check_submission
from segibn.submission.expected import expect_images, expect_list, expect_test_set
from segibn.submission.formats import FORMATS
from segibn.submission.score import LocalScorer
from segibn.text.progress import FrameProgress


def validate(
    file: Path,
    format_name: str,
    *,
    ids: Path | None = None,
    images: Path | None = None,
    labels: Path | None = None,
    target_encoding: str | None = None,
    report: Path | None = None,
) -> bool:
    """Print every fault of a submission, and its score; whether it has none.

    Args:
        file: zip, or run-length JSON.
        format_name: key in ``FORMATS``.
        ids: list of the frames that it must hold; None = the official test set, or ``images``.
        images: folder of the frames that it must hold, each at its own size.
        labels: folder of label maps to score it against.
        target_encoding: of drivable ``labels``; None = told by the files.
        report: JSON file to write.
    """
    form = FORMATS[format_name]
    if target_encoding and not form.is_drivable:
        raise ConfigError(f"--target-encoding has no effect on {form.title}; leave it out")
    if ids is not None:
        expected = expect_list(form, ids)
    elif images is not None:
        expected = expect_images(form, images)
    else:
        expected = expect_test_set(form)
    scorer = None
    if labels is not None:
        scorer = LocalScorer(form, labels, expected, target_encoding or "auto")
    with FrameProgress("checking", expected.num_frames) as progress:
        found = check_submission(file, form, expected, scorer=scorer, progress=progress)
    print(found.format_text())
    if report is not None:
        write_json(report, found.to_dict())
    return found.is_valid
