"""Tab completion of the command in bash and zsh: commands, Hydra groups with their options, and keys.

    eval "$(facedeblur --completion bash)"      in ~/.bashrc
    eval "$(facedeblur --completion zsh)"       in ~/.zshrc

Where there is nothing of ours to offer, the shell offers files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from facedeblur.errors import UsageError

BASH = """\
_facedeblur() {
    local IFS=$'\\n'
    COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" facedeblur --complete 2>/dev/null))
}
complete -o nospace -o default -F _facedeblur facedeblur
"""
SCRIPTS = {"bash": BASH, "zsh": f"autoload -Uz bashcompinit && bashcompinit\n{BASH}"}


def script(shell: str) -> str:
    """What the shell has to evaluate. Raises UsageError for another shell."""
    if shell not in SCRIPTS:
        raise UsageError(f"--completion: {shell or 'nothing'}: must be {' or '.join(SCRIPTS)}")
    return SCRIPTS[shell]


def answers(commands: Sequence[str], composed: Mapping[str, str]) -> list[str]:
    """What may stand for the last word of the line in COMP_LINE, up to COMP_POINT.

    bash takes "=" and ":" for the end of a word: only what comes after them is given.

    Args:
        commands: all of them.
        composed: those that take Hydra's overrides, with the names of their configurations.
    """
    line = os.environ.get("COMP_LINE", "")
    line = line[: int(os.environ.get("COMP_POINT", len(line)))]
    words = line.split(" ")
    if len(words) < 3:
        return [f"{command} " for command in commands if command.startswith(words[-1] if len(words) == 2 else "")]
    if words[1] not in composed or words[-1].startswith("-"):
        return []
    found = _of_hydra(composed[words[1]], " ".join(words[2:]))
    cut = max(words[-1].rfind("="), words[-1].rfind(":")) + 1
    return [word[cut:] for word in found if word.startswith(words[-1])]


def _of_hydra(config: str, line: str) -> list[str]:
    from hydra import initialize_config_dir
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra.core.global_hydra import GlobalHydra

    from facedeblur.overrides import HIDDEN, conf_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        found = BashCompletion(GlobalHydra.instance().config_loader())._query(config_name=config, line=line)
    return [word for word in found if word.rpartition("=")[2] not in HIDDEN]
