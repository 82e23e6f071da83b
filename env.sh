# Source this in bash or zsh: the environment in which the package built here runs.
#   make build && source env.sh
_lk_root="$(cd "$(dirname "${BASH_SOURCE[0]:-${(%):-%x}}")" && pwd)"
if _lk_exports="$("${PYTHON:-python3}" "$_lk_root/tools/workspace.py" env)"; then
    eval "$_lk_exports"
    unset _lk_root _lk_exports
else
    unset _lk_root _lk_exports
    false
fi
