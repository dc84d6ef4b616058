"""The errors a user can cause, each with a message that names the file or config path and the fix.

The command line prints these without a traceback; everything else is a bug and shows one.
"""


class SegibnError(Exception):
    """Base of all errors that the user, not the program, has to mend."""

    exit_code = 2  # of a command that ends with it


class ConfigError(SegibnError):
    """A config file or an override is wrong; the message lists every mistake with its path."""


class DatasetError(SegibnError):
    """A data set's folder, split, list or pairing is not as its official layout says."""


class ImageFileError(SegibnError):
    """An image or label file is missing, truncated, unreadable or of an unexpected kind."""


class PaletteError(ImageFileError):
    """A label file shows its values in the colours of other rows of the label table."""


class LabelValueError(SegibnError):
    """A label map holds a value that its label table does not know."""


class CheckpointError(SegibnError):
    """A checkpoint or weights file cannot be read, or belongs to another architecture."""


class SubmissionError(SegibnError):
    """A submission is incomplete or holds a file that the benchmark would refuse."""


class LostPeerError(SegibnError):
    """Another process of a distributed run ended; nothing is wrong with this one."""

    exit_code = 3
