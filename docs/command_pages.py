"""The reference of the command line as Markdown: every verb, from its own parser.

In: the table of verbs and their ``build_parser()``. Out: a section for each verb with its usage,
its arguments and its examples, as ``segibn VERB --help`` prints them.
"""

import argparse
import importlib
from collections.abc import Iterator

from segibn.cli.verbs import VERBS

WIDTH = 92
"""Columns of a usage text."""


def commands_reference() -> str:
    """Return the sections of all verbs, in the order of the table."""
    return "\n".join(_section(parser, level) for _, parser, level in all_parsers())


def all_parsers() -> Iterator[tuple[str, argparse.ArgumentParser, int]]:
    """Yield every verb, and the verbs within a verb, with its parser and the depth of heading."""
    for verb in VERBS:
        parser = parser_of(verb)
        yield verb, parser, 2
        for name, sub in _subparsers(parser):
            yield f"{verb} {name}", sub, 3


def parser_of(verb: str) -> argparse.ArgumentParser:
    """Return the parser of a verb."""
    return importlib.import_module(f"segibn.cli.{VERBS[verb].module}").build_parser()


def _subparsers(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return list(action.choices.items())
    return []


def _section(parser: argparse.ArgumentParser, level: int) -> str:
    formatter = parser.formatter_class(parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups)
    lines = [f"{'#' * level} {parser.prog}", "", parser.description or "", ""]
    lines += ["```text", formatter.format_help().rstrip(), "```", ""]
    for action in parser._actions:
        if _is_shown(action):
            lines += [*_entry(parser, action), ""]
    if parser.epilog:
        lines += ["```text", parser.epilog.rstrip(), "```", ""]
    return "\n".join(lines)


def _is_shown(action: argparse.Action) -> bool:
    return action.help != argparse.SUPPRESS and not isinstance(
        action, argparse._HelpAction | argparse._SubParsersAction
    )


def _entry(parser: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    """One argument: how it is written, and below that what it means."""
    formatter = parser.formatter_class(parser.prog, width=1000)
    choices = ""
    if action.choices is not None and action.metavar is None:
        choices = f"One of {', '.join(f'`{choice}`' for choice in action.choices)}."
    written = _invocation(action) if choices else formatter._format_action_invocation(action)
    meaning = _escaped(formatter._expand_help(action)) if action.help else ""
    return [f"`{written}`", f": {' '.join(f'{_sentence(meaning)} {choices}'.split())}"]


def _invocation(action: argparse.Action) -> str:
    """An argument without its choices, of which there may be many."""
    if not action.option_strings:
        return action.dest
    return ", ".join(f"{option} {action.dest.upper()}" for option in action.option_strings)


def _sentence(text: str) -> str:
    if not text:
        return ""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ")")) else ".")


def _escaped(text: str) -> str:
    """What Markdown would take for markup, taken literally."""
    for sign in ("\\", "*", "_", "<", "[", "$", "`"):
        text = text.replace(sign, f"\\{sign}")
    return text
