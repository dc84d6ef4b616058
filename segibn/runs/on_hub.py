"""Networks of segibn on the Hugging Face hub, or in a folder like one of its repositories: found, not loaded."""

from pathlib import Path
from typing import Any

from segibn.errors import CheckpointError
from segibn.text import printable

FILE = "segibn.safetensors"
"""The file by which a folder or repository is one of segibn's, not of transformers."""


def find_on_hub(source: str) -> Path | None:
    """Return the safetensors of a folder or repository of segibn's; None = it is another library's."""
    folder = Path(source)
    if folder.is_dir():
        return folder / FILE if (folder / FILE).is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    nothing: tuple[type[Exception], ...] = (EntryNotFoundError, LocalEntryNotFoundError, HFValidationError)
    try:
        return Path(hf_hub_download(source, FILE, library_name="segibn"))
    except nothing:
        return None  # transformers says what it thinks of the name
    except (HfHubHTTPError, OSError) as error:
        raise CheckpointError(f"hf:{printable(source)}: cannot be had ({first_line(error)})") from error


def first_line(error: Any) -> str:
    """Return the first line of an error's text."""
    return printable((str(error).strip().splitlines() or [type(error).__name__])[0])
