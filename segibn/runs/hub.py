"""Networks on the Hugging Face hub: a run as a folder of safetensors, config and card, sent and loaded."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from segibn.builders.checkpoints import load_segmenter
from segibn.config.load import dump_config
from segibn.errors import SegibnError
from segibn.files.writing import write_text
from segibn.runs.card import write_card
from segibn.runs.export import write_safetensors
from segibn.runs.find import run_of
from segibn.runs.loading import load_checkpoint
from segibn.runs.on_hub import FILE, first_line
from segibn.text import printable


def save_pretrained(source: str | Path, folder: Path, given: Mapping[str, str] = {}, *, half: bool = True) -> list[str]:
    """Write a run as a folder: `FILE`, ``config.yaml`` and ``README.md``, its card; -> fields unstated.

    ``given``: field of the card -> text, such as ``licence``; ``half``: weights in 16 bits.
    """
    run = load_checkpoint(source)
    segmenter, config, meta = load_segmenter(run.checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / FILE, segmenter, config, meta, half)
    write_text(folder / "config.yaml", dump_config(config))
    beside = run.checkpoint.with_suffix(".md")
    if run_of(run.checkpoint) is None and beside.is_file() and not given:  # a shipped network's own card
        shutil.copyfile(beside, folder / "README.md")
        return []
    _, unstated = write_card(run, folder / "README.md", None, given)
    return unstated


def push(
    source: str | Path, repository: str, given: Mapping[str, str], *, private: bool = False, half: bool = True
) -> str:
    """Send a run to a repository, which is made if need be; -> its address.

    The token is that of ``hf auth login`` or HF_TOKEN. SegibnError: the hub refused, or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        save_pretrained(source, folder, given, half=half)
        hub = HfApi(library_name="segibn")
        try:
            made = hub.create_repo(repository, private=private, exist_ok=True)
            hub.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message="A network of segibn")
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise SegibnError(
                f"{printable(repository)}: the hub took nothing ({first_line(error)}); is the name USER/NAME, and are "
                "you logged in (hf auth login)?"
            ) from error
    return str(made)
