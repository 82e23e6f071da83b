# Source this in bash or zsh: the environment in which the package built here runs.
#   make build && source env.sh
_lk_root="$(cd "$(dirname "${BASH_SOURCE[0]:-${(%):-%x}}")" && pwd)"
_lk_exports="$("${PYTHON:-python3}" "$_lk_root/tools/workspace.py" env)"
_lk_code=$?
[ "$_lk_code" -eq 0 ] && eval "$_lk_exports"
unset _lk_root _lk_exports
# The last command's exit code is that of sourcing.
eval "unset _lk_code; return $_lk_code"
