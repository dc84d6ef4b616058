"""The completion scripts themselves: words of the verbs -> text for bash, zsh and fish."""

from collections.abc import Callable, Mapping
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segibn.cli.completion import Words

_BASH = """\
# bash completion for segibn, made by: segibn completion bash

_segibn_words() {{  # verb -> words that may stand after it, beside files
  case $1 in
{words}
  esac
}}

_segibn_options() {{  # verb -> its options
  case $1 in
{options}
  esac
}}

_segibn_values() {{  # verb:option -> what may follow the option; fails where files may
  case $1 in
{values}
    *) return 1 ;;
  esac
}}

_segibn() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local verb=${{COMP_WORDS[1]}} words
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '{names} --help --version' -- "$word"))
    return
  fi
  if [[ $word == = ]]; then  # --option=, which bash takes for two words, and with a value three
    word=
  elif [[ $before == = ]]; then
    before=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$(_segibn_options "$verb")" -- "$word"))
    return
  fi
  if words=$(_segibn_values "$verb:$before"); then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ " {file_options} " == *" $before "* ]] || return
  elif [[ $before != -* ]]; then
    COMPREPLY=($(compgen -W "$(_segibn_words "$verb")" -- "$word"))
  fi
  local IFS=$'\n'  # names of files may hold spaces
  COMPREPLY+=($(compgen -f -- "$word"))
}}

complete -o filenames -F _segibn segibn
"""


def bash_script(verbs: "Mapping[str, Words]") -> str:
    """Return the script for bash; ``verbs``: verb -> what may follow it."""
    words, options, values = [], [], []
    for name, known in verbs.items():
        words.append(f"    {name}) echo {quote(' '.join(known.plain))} ;;")
        options.append(f"    {name}) echo {quote(' '.join(known.options))} ;;")
        values += [
            f"    {name}:{option}) echo {quote(' '.join(choices))} ;;"
            for option, choices in known.options.items()
            if choices
        ]
    return _BASH.format(
        words="\n".join(words),
        options="\n".join(options),
        values="\n".join(values),
        names=" ".join(verbs),
        file_options=" ".join({o: None for known in verbs.values() for o in known.file_options}),
    )


def zsh_script(verbs: "Mapping[str, Words]") -> str:
    """Return the script for zsh: the one for bash, which zsh's bashcompinit understands."""
    head = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n\n"
    return head + bash_script(verbs)


def fish_script(verbs: "Mapping[str, Words]") -> str:
    """Return the script for fish; ``verbs``: verb -> what may follow it."""
    lines = ["# fish completion for segibn, made by: segibn completion fish"]
    for name, known in verbs.items():
        summary = _fish_quote(known.summary)
        lines.append(f"complete -c segibn -n __fish_use_subcommand -fa {name} -d {summary}")
        seen = f"complete -c segibn -n '__fish_seen_subcommand_from {name}'"
        if known.plain:
            lines.append(f"{seen} -a {_fish_quote(' '.join(known.plain))}")
        for option, choices in known.options.items():
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            if choices is not None:
                flag += " -r"
            if choices:
                flag += "" if option in known.file_options else " -f"
                flag += f" -a {_fish_quote(' '.join(choices))}"
            lines.append(f"{seen} {flag} -d {_fish_quote(known.helps[option])}")
    return "\n".join(lines) + "\n"


def _fish_quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SCRIPTS: dict[str, Callable[["Mapping[str, Words]"], str]] = {
    "bash": bash_script,
    "zsh": zsh_script,
    "fish": fish_script,
}
