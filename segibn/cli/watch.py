"""``watch``: predictions of frames as they come, from a folder, a camera or a stream."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from segibn.cli.arguments import parse_positive
from segibn.cli.inference import add_inference_arguments, inference_config
from segibn.cli.parser import VerbParser, print_then, verb_parser
from segibn.cli.predict import parse_marks
from segibn.config.shipped import DEFAULT_MODEL
from segibn.errors import ConfigError
from segibn.media import FOLDERS, PALETTES

EXAMPLE = """\
examples:
  segibn watch incoming --output predictions        (a folder that something fills)
  segibn watch 0 --port 8000                        (webcam, shown at http://127.0.0.1:8000/)
  segibn watch rtsp://camera/street --port 8000 --marks legend
  segibn watch 0 --show

Of a camera or stream the latest frame is taken; those that come meanwhile are dropped. The page is
motion JPEG and bound to this machine unless --host says otherwise. Ctrl-C ends it.
"""


@verb_parser("watch", EXAMPLE)
def build_parser(parser: VerbParser) -> None:
    add = parser.add_argument
    add("source", metavar="SOURCE", help="folder, camera number, or address of a stream")
    add("--model", default=DEFAULT_MODEL, metavar="RUN_OR_FILE", help="network (%(default)s)")
    add("--output", type=Path, metavar="DIR", help="write files of every frame")
    kinds = ",".join(kind for kind in FOLDERS if kind != "video")
    add("--save", default=None, metavar="KIND,...", help=f"of {kinds} (overlay)")
    add("--port", type=int, metavar="N", help="show them as a page at this port; 0 = any that is free")
    add("--host", metavar="ADDRESS", help="of the page, such as 0.0.0.0 for all who reach this machine (127.0.0.1)")
    add("--show", action="store_true", help="show them in a window; q ends it")
    add("--frames", type=parse_positive, metavar="N", help="end after so many")
    about = "words in overlays: legend, the classes that are there; names, each on its large regions"
    add("--marks", type=parse_marks, default=(), metavar="legend,names", help=about)
    add("--palette", choices=PALETTES, default="own", help="own, or distinct: safe for the colour-blind")
    parser.needs("--host", "--port")
    parser.needs("--save", "--output")
    add_inference_arguments(parser)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = build_parser().parse_args(argv)
    host = arguments.host or "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f"--host {host}: write an address, such as 127.0.0.1 or 0.0.0.0") from None
    if arguments.port is not None and not 0 <= arguments.port < 65536:
        raise ConfigError(f"--port {arguments.port}: a port is 0 to 65535")
    inference = inference_config(arguments)

    from segibn.runs.loading import device_of, load_any
    from segibn.runs.watch import Shown, checked, watch

    save = tuple(part.strip() for part in (arguments.save or "overlay").split(","))
    kinds = [kind for kind in FOLDERS if kind != "video"]
    where = arguments.output, arguments.port, host, arguments.show
    shown = checked(Shown(*where, save, arguments.marks, arguments.palette), kinds)
    run = load_any(arguments.model).asked(inference, device_of(arguments.device))
    watch(run, arguments.source, shown, arguments.frames)
    if arguments.output is not None:
        print_then(f"look into {arguments.output}")
    return 0
